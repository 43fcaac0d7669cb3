/** How a command is written down: its words, its options, and what it does. `main.ts` makes a yargs command of it. */
import type { CommandModule, InferredOptionTypes, Options } from "yargs";
import { QuireError, toQuireError } from "../base/errors.js";
import { suggest } from "../config/resolve.js";
import { EXIT_CODES_HELP, exitCodeOf } from "./exit-codes.js";

type OptionTable = Readonly<Record<string, Options>>;

interface CommandSpec<P extends OptionTable, O extends OptionTable> {
  /** As yargs wants it: `produce <topic>`. */
  readonly usage: string;
  readonly summary: string;
  readonly positionals?: P;
  readonly options: O;
  readonly examples?: readonly (readonly [command: string, what: string])[];
  run(args: InferredOptionTypes<P> & InferredOptionTypes<O>): Promise<void>;
}

export function command<const P extends OptionTable, const O extends OptionTable>(spec: CommandSpec<P, O>): CommandModule {
  return {
    command: spec.usage,
    describe: spec.summary,
    builder: (y) => {
      for (const [name, positional] of Object.entries(spec.positionals ?? {})) y.positional(name, positional as never);
      y.options(spec.options)
        .strict()
        .fail(refuseUsage({ usage: spec.usage, options: Object.keys(spec.options) }))
        .epilogue(EXIT_CODES_HELP);
      for (const [example, what] of spec.examples ?? []) y.example(example, what);
      return y;
    },
    handler: async (args) => {
      try {
        checkGivenOnce(args, spec.options);
        checkNumbers(args, spec.options);
        // yargs has checked names and types by the same table.
        await spec.run(args as unknown as InferredOptionTypes<P> & InferredOptionTypes<O>);
      } catch (thrown) {
        reportError(thrown, { json: args["json"] === true });
      }
    },
  };
}

/** A command that only has commands of its own: `quire topic`. */
export const commandGroup = (name: string, summary: string, commands: readonly CommandModule[]): CommandModule => ({
  command: name,
  describe: summary,
  builder: (y) => {
    for (const inner of commands) y.command(inner);
    return y
      .demandCommand(1, `Say which: quire ${name} ${commands.map(wordOf).join("|")}`)
      .fail(refuseUsage({ usage: `${name} COMMAND`, commands: commands.map(wordOf) }))
      .strict();
  },
  handler: () => {},
});

export const wordOf = ({ command: usage }: CommandModule): string => String(usage).split(" ")[0] ?? "";

/** yargs makes a list of what is given twice. @throws QuireError INVALID_FIELD */
function checkGivenOnce(args: Readonly<Record<string, unknown>>, options: OptionTable): void {
  for (const [name, { array }] of Object.entries(options)) {
    if (array !== true && Array.isArray(args[name])) throw new QuireError("INVALID_FIELD", `--${name} is given ${args[name].length} times; give it once`);
  }
}

/** All our numbers count something; yargs takes fractions, and makes NaN of what is no number. @throws QuireError INVALID_FIELD */
function checkNumbers(args: Readonly<Record<string, unknown>>, options: OptionTable): void {
  for (const [name, { type }] of Object.entries(options)) {
    const given = type === "number" ? [args[name]].flat() : [];
    if (given.some((value) => value !== undefined && (!Number.isSafeInteger(value) || Number(value) < 0))) {
      throw new QuireError("INVALID_FIELD", `--${name} takes a whole number from 0 on`);
    }
  }
}

interface Words {
  readonly usage: string;
  readonly options?: readonly string[];
  readonly commands?: readonly string[];
}

/** Wrong words: says what was probably meant. @throws QuireError INVALID_FIELD */
export function refuseUsage({ usage, options = [], commands = [] }: Words) {
  return (message: string | null, error: Error | undefined): void => {
    if (error !== undefined && error.name !== "YError") throw error;
    const wrong = /^Unknown (?:arguments?|commands?): (.+)$/.exec(message ?? "")?.[1]?.split(", ") ?? [];
    const hints = wrong.flatMap((word) => {
      const isCommand = commands.length > 0 && !process.argv.some((given) => given.startsWith(`--${word}`));
      const meant = suggest(word, isCommand ? commands : [...options, "help", "version"]);
      return meant === undefined ? [] : [`did you mean ${isCommand ? meant : `--${meant}`}?`];
    });
    const problem = message?.startsWith("Not enough non-option arguments") === true ? `Too few words: quire … ${usage}` : message;
    throw new QuireError("INVALID_FIELD", `${[problem, ...hints].join("; ")}\nAdd --help to see what there is.`);
  };
}

/** One line a problem, on standard error; the exit code says the rest. */
export function reportError(thrown: unknown, { json }: { json: boolean }): void {
  const error = toQuireError(thrown);
  process.exitCode = exitCodeOf(error);
  if (json) console.error(JSON.stringify({ error: { reason: error.reason, message: error.message, details: error.details } }));
  else for (const line of error.message.split("\n")) console.error(`quire: ${line}`);
  // For whoever has to find the bug.
  if (error.reason === "INTERNAL" && error.cause instanceof Error) console.error(error.cause.stack);
}
