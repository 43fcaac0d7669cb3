/** A deliberate mistake in the code, to see whether the simulation would find such a one. */
export interface Mutant {
  readonly part: Part;
  /** The rule it breaks. */
  readonly name: string;
  /** Compiled file, in the folder of its part unless it begins with `src/`. */
  readonly edits: readonly Edit[];
  /** Why a whole cluster is not what finds it. */
  readonly leftTo?: string;
}

export interface Edit {
  /** Compiled file, from the build's folder on. */
  readonly file: string;
  /** Compiled code that occurs exactly once in the file, and what replaces it. */
  readonly find: string;
  readonly replace: string;
}

export const PARTS = ["consensus", "storage", "replica", "cluster", "broker", "client"] as const;
export type Part = (typeof PARTS)[number];

type EditList = readonly (readonly [file: string, find: string, replace: string])[];

/** `file`s are named from `src/` on. */
export const mutantsOf =
  (part: Part) =>
  (name: string, ...edits: EditList): Mutant => ({ part, name, edits: edits.map(([file, find, replace]) => ({ file: `src/${file}`, find, replace })) });
