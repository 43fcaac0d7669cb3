/** A deliberate mistake in the code, to see whether the simulation would find such a one. */
export interface Mutant {
  readonly part: Part;
  /** The rule it breaks. */
  readonly name: string;
  readonly edits: readonly Edit[];
  /** What else is held to find it, so that whole clusters need not. */
  readonly leftTo?: string;
}

export interface Edit {
  /** Compiled file, from the build's folder on. */
  readonly file: string;
  /** Compiled code that occurs exactly once in the file, and what replaces it. */
  readonly find: string;
  readonly replace: string;
}

export const PARTS = ["consensus", "storage", "replica", "cluster", "broker", "client", "groups"] as const;
export type Part = (typeof PARTS)[number];

type EditList = readonly (readonly [file: string, find: string, replace: string])[];

/** `file`s are named from `src/` on. */
export const mutantsOf =
  (part: Part) =>
  (name: string, ...edits: EditList): Mutant => ({ part, name, edits: edits.map(([file, find, replace]) => ({ file: `src/${file}`, find, replace })) });

/** What whole clusters meet too seldom. `tests` fail when the mistake is in the code. */
export const leftTo = (tests: string, mutant: Mutant): Mutant => ({ ...mutant, leftTo: tests });
