import { QuireError } from "../../base/errors.js";
import { majority } from "../../base/quorum.js";
import type { ClusterDescription, TopicDescription } from "../../client/index.js";
import { parseDuration } from "../../config/units.js";
import { command } from "../command.js";
import { type Explained, explain } from "../explain/explain.js";
import { type Now, now } from "../explain/now.js";
import { render, renderNow } from "../explain/render.js";
import { print, printJson } from "../output.js";
import { jsonOption, sessionOptions, withQuire } from "../session.js";

export const topicExplainCommand = command({
  usage: "explain [topic]",
  summary: "Say which failures stop writes, stop elections or lose data",
  positionals: { topic: { type: "string", describe: "A topic that exists; left out, the settings below" } },
  options: {
    replicas: { type: "number", requiresArg: true, describe: "N" },
    "write-quorum": { type: "number", requiresArg: true, describe: "W; default the majority" },
    "read-quorum": { type: "number", requiresArg: true, describe: "R; default the majority" },
    flush: { choices: ["batch", "interval"] as const, describe: "fsync before acknowledgement, or every so often" },
    "flush-interval": { type: "string", requiresArg: true, describe: "With --flush interval: at most this long unsynced; default 1s" },
    ...jsonOption,
    ...sessionOptions,
  },
  examples: [
    ["$0 topic explain orders", "a topic as it is"],
    ["$0 topic explain --replicas 5 --write-quorum 4 --read-quorum 3", "before it is created"],
    ["$0 topic explain orders --write-quorum 3", "what another write quorum would mean"],
  ],
  async run(args) {
    const { topic: name } = args;
    const found =
      name === undefined ? undefined : await withQuire(args, async (quire) => ({ topic: await quire.topic(name).describe(), cluster: await quire.cluster() }));
    const subject = subjectOf(found?.topic, args);
    const explanation = explain(subject);
    const asItIs = args.replicas === undefined && args["write-quorum"] === undefined && args["read-quorum"] === undefined;
    const states = found !== undefined && asItIs ? nowOf(found.topic, found.cluster, explanation.tolerance) : [];
    if (args.json) return printJson({ ...subject, ...explanation, ...(states.length > 0 && { now: states }) });
    print(render(name === undefined ? "These settings" : asItIs ? `Topic ${name}` : `Topic ${name}, if it had`, subject, explanation));
    if (states.length > 0) print(`\n${renderNow(states)}`);
  },
});

interface Wanted {
  readonly replicas: number | undefined;
  readonly "write-quorum": number | undefined;
  readonly "read-quorum": number | undefined;
  readonly flush: "batch" | "interval" | undefined;
  readonly "flush-interval": string | undefined;
}

/** What is wanted, else what the topic has, else what a new topic gets. @throws QuireError INVALID_FIELD */
function subjectOf(topic: TopicDescription | undefined, wanted: Wanted): Explained {
  const n = wanted.replicas ?? topic?.replicas ?? 3;
  // With another N the topic's own W and R say nothing.
  const known = wanted.replicas === undefined ? topic : undefined;
  const flushIntervalMs = wanted["flush-interval"] === undefined ? (topic?.settings.flushIntervalMs ?? 1000) : parseDuration(wanted["flush-interval"]);
  if (flushIntervalMs === undefined) throw new QuireError("INVALID_FIELD", `--flush-interval ${wanted["flush-interval"]} is not a duration such as 1s`);
  return {
    quorum: { n, w: wanted["write-quorum"] ?? known?.writeQuorum ?? majority(n), r: wanted["read-quorum"] ?? known?.readQuorum ?? majority(n) },
    flush: wanted.flush ?? topic?.settings.flush ?? "batch",
    flushIntervalMs,
  };
}

function nowOf({ partitionStates }: TopicDescription, { brokers }: ClusterDescription, survives: Parameters<typeof now>[2]): Now[] {
  const alive = new Set(brokers.filter((broker) => broker.alive).map((broker) => broker.nodeId));
  return now(
    partitionStates.map(({ partition, replicas, leader }) => ({ partition, replicas, leader: leader ?? 0 })),
    alive,
    survives,
  );
}
