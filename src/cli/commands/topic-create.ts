import { QuireError } from "../../base/errors.js";
import { checkTopicName } from "../../base/names.js";
import { parseBytes, parseDuration } from "../../config/units.js";
import { command } from "../command.js";
import { plural, print, printJson } from "../output.js";
import { jsonOption, sessionOptions, withQuire } from "../session.js";

const number = (describe: string) => ({ type: "number", requiresArg: true, describe }) as const;
const text = (describe: string) => ({ type: "string", requiresArg: true, describe }) as const;

export const topicCreateCommand = command({
  usage: "create <topic>",
  summary: "Create a topic",
  positionals: { topic: { type: "string", demandOption: true, describe: "Its name: a-z 0-9 . _ -" } },
  options: {
    partitions: number("How many; may grow later"),
    replicas: number("N, copies of each partition"),
    "write-quorum": number("W, how many have a record on disk before it is acknowledged"),
    "read-quorum": number("R, how many take part in an election"),
    "retention-time": text("How long records are kept, such as 7d; 0 is forever"),
    "retention-size": text("How much is kept of each partition, such as 10GiB; 0 is all"),
    "segment-size": text("Size of a segment file, such as 128MiB"),
    "segment-age": text("Age at which a new segment file begins, such as 7d"),
    flush: { choices: ["batch", "interval"] as const, describe: "fsync before acknowledgement, or every so often" },
    "flush-interval": text("With --flush interval: at most this long unsynced, such as 1s"),
    "batch-size": text("Largest batch, such as 2MiB"),
    "if-not-exists": { type: "boolean", default: false, describe: "Be content with one that exists, whatever its settings" },
    "dry-run": { type: "boolean", default: false, describe: "Check everything, create nothing" },
    ...jsonOption,
    ...sessionOptions,
  },
  examples: [
    ["$0 topic create orders --partitions 6", "three replicas, or as many as there are brokers"],
    ["$0 topic create audit --replicas 5 --write-quorum 4 --read-quorum 3", "first see: quire topic explain --replicas 5 …"],
  ],
  async run(args) {
    checkTopicName(args.topic);
    const settings = {
      ...given("retentionMs", amount("retention-time", args["retention-time"], parseDuration, "7d")),
      ...given("retentionBytes", amount("retention-size", args["retention-size"], parseBytes, "10GiB")),
      ...given("segmentBytes", amount("segment-size", args["segment-size"], parseBytes, "128MiB")),
      ...given("segmentAgeMs", amount("segment-age", args["segment-age"], parseDuration, "7d")),
      ...given("flush", args.flush),
      ...given("flushIntervalMs", amount("flush-interval", args["flush-interval"], parseDuration, "1s")),
      ...given("batchBytesMax", amount("batch-size", args["batch-size"], parseBytes, "2MiB")),
    };
    const topic = await withQuire(args, (quire) =>
      quire.topic(args.topic).create({
        ...given("partitions", args.partitions),
        ...given("replicas", args.replicas),
        ...given("writeQuorum", args["write-quorum"]),
        ...given("readQuorum", args["read-quorum"]),
        settings,
        validateOnly: args["dry-run"],
        ifNotExists: args["if-not-exists"],
      }),
    );
    if (args.json) return printJson(topic);
    const done = args["dry-run"] ? "could be created" : "is there";
    print(
      `Topic ${topic.name} ${done}: ${plural(topic.partitions, "partition")}, N=${topic.replicas} W=${topic.writeQuorum} R=${topic.readQuorum}. See what that means: quire topic explain ${topic.name}`,
    );
  },
});

/** A field only when it was given: absent takes the broker's default. */
function given<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [P in K]: V });
}

/** @throws QuireError INVALID_FIELD */
function amount(flag: string, text: string | undefined, parse: (text: string) => number | undefined, example: string): number | undefined {
  if (text === undefined) return undefined;
  const value = parse(text);
  if (value === undefined) throw new QuireError("INVALID_FIELD", `--${flag} ${text} cannot be read; write it as ${example}`);
  return value;
}
