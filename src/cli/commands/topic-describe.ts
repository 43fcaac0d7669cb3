import type { TopicDescription } from "../../client/index.js";
import { formatBytes, formatDuration } from "../../config/units.js";
import { command } from "../command.js";
import { print, printJson, table } from "../output.js";
import { jsonOption, sessionOptions, withQuire } from "../session.js";

export const topicDescribeCommand = command({
  usage: "describe <topic>",
  summary: "Show a topic's settings, and where its partitions are",
  positionals: { topic: { type: "string", demandOption: true, describe: "Its name" } },
  options: { ...jsonOption, ...sessionOptions },
  examples: [["$0 topic describe orders --json", "for programs"]],
  async run(args) {
    const { topic, earliest, latest } = await withQuire(args, async (quire) => {
      const found = quire.topic(args.topic);
      const description = await found.describe();
      // A partition without a leader has no offsets to tell; the rest of the description still helps then.
      const offsets = await Promise.all([found.offsets("earliest"), found.offsets("latest")]).catch(() => [
        new Map<number, number>(),
        new Map<number, number>(),
      ]);
      return { topic: description, earliest: offsets[0], latest: offsets[1] };
    });
    const partitions = topic.partitionStates.map((state) => ({ ...state, earliest: earliest?.get(state.partition), latest: latest?.get(state.partition) }));
    if (args.json) return printJson({ ...topic, partitionStates: partitions });
    print(settingsTable(topic));
    print("");
    print(
      table(
        ["PARTITION", "LEADER", "TERM", "REPLICAS", "EARLIEST", "LATEST"],
        partitions.map(({ partition, leader, term, replicas, earliest: first, latest: end }) => [
          partition,
          leader ?? "none",
          term,
          replicas.join(","),
          first ?? "?",
          end ?? "?",
        ]),
      ),
    );
  },
});

function settingsTable({ name, topicId, partitions, replicas, writeQuorum, readQuorum, settings, createdMs }: TopicDescription): string {
  const { flush = "batch", flushIntervalMs = 0, retentionMs = 0, retentionBytes = 0, segmentBytes = 0, segmentAgeMs = 0, batchBytesMax = 0 } = settings;
  const rows: [string, string][] = [
    ["topic", name],
    ["id", topicId],
    ["created", new Date(createdMs).toISOString()],
    ["partitions", String(partitions)],
    ["quorum", `N=${replicas} W=${writeQuorum} R=${readQuorum}`],
    ["flush", flush === "batch" ? "batch: before acknowledgement" : `interval: within ${formatDuration(flushIntervalMs)}`],
    ["retention", `${retentionMs === 0 ? "forever" : formatDuration(retentionMs)}, ${retentionBytes === 0 ? "any size" : formatBytes(retentionBytes)}`],
    ["segments", `${formatBytes(segmentBytes)}, ${segmentAgeMs === 0 ? "any age" : formatDuration(segmentAgeMs)}`],
    ["largest batch", formatBytes(batchBytesMax)],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join("\n");
}
