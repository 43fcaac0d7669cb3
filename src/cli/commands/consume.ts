import { isUtf8 } from "node:buffer";
import { once } from "node:events";
import { systemClock } from "../../base/system-ports.js";
import type { ReceivedRecord } from "../../client/index.js";
import { command } from "../command.js";
import { ExitCode } from "../exit-codes.js";
import { consumeInGroup } from "../group-consumer.js";
import { parseFrom } from "../position.js";
import { sessionOptions, withQuire } from "../session.js";
import { interruption } from "../signals.js";

export const consumeCommand = command({
  usage: "consume <topic>",
  summary: "Write records as lines, and wait for more",
  positionals: { topic: { type: "string", demandOption: true, describe: "The topic's name" } },
  options: {
    from: {
      type: "string",
      requiresArg: true,
      describe: "Default: earliest. Or latest, an offset, a time (2026-01-31T08:00Z, @ and milliseconds since 1970) or an age (15m)",
    },
    count: { type: "number", alias: "n", requiresArg: true, describe: "Stop after so many" },
    "to-end": { type: "boolean", default: false, describe: "Stop at what is the end now" },
    partition: { type: "number", array: true, requiresArg: true, describe: "Only this partition; may be given several times" },
    group: { type: "string", alias: "g", requiresArg: true, describe: "Share the topic with the other members of this consumer group, going on where it is" },
    "key-separator": { type: "string", requiresArg: true, describe: "Write the key, this, and the value" },
    json: { type: "boolean", default: false, describe: "Each record as a JSON object with key, offset, time and headers" },
    ...sessionOptions,
  },
  examples: [
    ["$0 consume orders", "everything kept, then what comes"],
    ["$0 consume orders --from latest --json", "what comes from now on, with keys and offsets"],
    ["$0 consume orders --from 15m --to-end", "the last quarter of an hour"],
    ["$0 consume orders --group billing", "what no other member of the group has had; a line written counts as processed"],
    ["$0 consume orders --partition 2 --from 1200 --count 1", "one record"],
  ],
  async run(args) {
    const from = parseFrom(args.from ?? "earliest", systemClock.wallMs());
    const countMax = args.count ?? Number.POSITIVE_INFINITY;
    if (countMax < 1) return;
    const signal = interruption();
    const lineOf = args.json ? jsonLine : plainLine(args["key-separator"]);
    if (args.group !== undefined) {
      return await consumeInGroup(args.group, { ...args, from, countMax, signal, write: async (record) => await written(lineOf(record)) });
    }
    await withQuire(args, async (quire) => {
      const reading = quire
        .topic(args.topic)
        .read({ from, signal, ...(args["to-end"] ? { to: "latest" } : {}), ...(args.partition === undefined ? {} : { partitions: args.partition }) });
      let count = 0;
      try {
        for await (const record of reading) {
          await written(lineOf(record));
          count += 1;
          if (count >= countMax) return;
        }
      } catch (thrown) {
        if (!signal.aborted) throw thrown;
        // Ctrl-C is how reading without an end ends.
        process.exitCode = args.count === undefined ? ExitCode.ok : ExitCode.interrupted;
      }
    });
  },
});

async function written(line: Buffer | string): Promise<void> {
  if (!process.stdout.write(line)) await once(process.stdout, "drain");
}

const NEWLINE = Buffer.from("\n");
const NOTHING = Buffer.alloc(0);

/** Bytes as they were sent. */
function plainLine(separator: string | undefined): (record: ReceivedRecord<unknown>) => Buffer {
  if (separator === undefined) return ({ valueBytes }) => Buffer.concat([valueBytes ?? NOTHING, NEWLINE]);
  const between = Buffer.from(separator);
  return ({ keyBytes, valueBytes }) => Buffer.concat([keyBytes ?? NOTHING, between, valueBytes ?? NOTHING, NEWLINE]);
}

/** Text as text; other bytes under a name that says so. */
function jsonLine({ partition, offset, timestampMs, keyBytes, valueBytes, headers }: ReceivedRecord<unknown>): string {
  const record = {
    partition,
    offset,
    timestamp: new Date(timestampMs).toISOString(),
    ...readable("key", keyBytes),
    ...readable("value", valueBytes),
    headers: headers.map((header) => ({ key: header.key, ...readable("value", header.value) })),
  };
  return `${JSON.stringify(record)}\n`;
}

const readable = (name: string, bytes: Buffer | undefined): object => {
  if (bytes === undefined) return { [name]: null };
  return isUtf8(bytes) ? { [name]: bytes.toString() } : { [`${name}Base64`]: bytes.toString("base64") };
};
