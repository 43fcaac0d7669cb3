import { QuireError } from "../../base/errors.js";
import { systemClock } from "../../base/system-ports.js";
import type { ResetGroupOptions } from "../../client/index.js";
import { command } from "../command.js";
import { ExitCode } from "../exit-codes.js";
import { print, printJson, table } from "../output.js";
import { parseFrom } from "../position.js";
import { jsonOption, sessionOptions, withQuire } from "../session.js";

export const groupResetCommand = command({
  usage: "reset <group>",
  summary: "Move the offsets of a consumer group that has no members",
  positionals: { group: { type: "string", demandOption: true, describe: "Its name; one that does not exist is begun" } },
  options: {
    topic: {
      type: "string",
      array: true,
      demandOption: true,
      requiresArg: true,
      describe: "A topic, or some of its partitions as orders:0,3; may be given several times",
    },
    to: {
      type: "string",
      requiresArg: true,
      demandOption: true,
      describe: "earliest, latest, an offset, a time (2026-01-31T08:00Z, @ and milliseconds since 1970) or an age (15m)",
    },
    "dry-run": { type: "boolean", default: false, describe: "Only show what would be done" },
    ...jsonOption,
    ...sessionOptions,
  },
  examples: [
    ["$0 group reset billing --topic orders --to earliest", "process everything again"],
    ["$0 group reset billing --topic orders:2 --to 1200 --dry-run", "what would become of one partition"],
    ["$0 group reset billing --topic orders --to 2h", "from two hours ago on"],
  ],
  async run(args) {
    const to = parseFrom(args.to, systemClock.wallMs(), "to");
    const topics = parseTopics(args.topic);
    const answers = await withQuire(args, (quire) => quire.groups().reset(args.group, { topics, to, validateOnly: args["dry-run"] }));
    if (answers.some(({ error }) => error !== undefined)) process.exitCode = ExitCode.failed;
    const shown = answers.map(({ error, ...answer }) => ({ ...answer, error: error === undefined ? null : { reason: error.reason, message: error.message } }));
    if (args.json) return printJson(shown);
    print(
      table(
        ["TOPIC", "PARTITION", "BEFORE", args["dry-run"] ? "WOULD BE" : "NOW", ""],
        shown.map(({ topic, partition, before, offset, error }) => [topic, partition, before ?? "-", offset ?? "not moved", error?.message ?? ""]),
      ),
    );
  },
});

/** @throws QuireError INVALID_FIELD */
function parseTopics(given: readonly string[]): ResetGroupOptions["topics"] {
  const topics: Record<string, readonly number[]> = {};
  for (const text of given) {
    const [, name = "", list] = /^([^:]+)(?::(\d+(?:,\d+)*))?$/.exec(text) ?? [];
    if (name === "") throw new QuireError("INVALID_FIELD", `--topic ${text} is not a topic, nor a topic and partitions as orders:0,3`);
    topics[name] = list === undefined ? [] : [...(topics[name] ?? []), ...list.split(",").map(Number)];
  }
  return topics;
}
