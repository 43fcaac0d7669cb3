/** `quire bench …`: each measures one thing. What it does is loaded only when it is asked for. */
import { benchOptions } from "../bench/workload.js";
import { command, commandGroup } from "../command.js";

const { where, topic, producing, consuming, timing, filling, countOr, text } = benchOptions;

const produceCommand = command({
  usage: "produce",
  summary: "Records per second that are acknowledged",
  options: { ...producing, ...topic, ...timing, ...where },
  examples: [
    ["$0 bench produce --cluster 3", "on a cluster of its own"],
    ["$0 bench produce --producers 64 --under-way 1 --record-bytes 1KiB", "clients that wait for each answer, on the cluster of `quire dev`"],
  ],
  run: async (args) => (await import("../bench/produce.js")).benchProduce(args),
});

const consumeCommand = command({
  usage: "consume",
  summary: "Records per second that are read from the start of a topic",
  options: {
    ...consuming,
    ...filling,
    cold: { type: "boolean", default: false, describe: "Restart the brokers before, on a cluster of its own" },
    "drop-caches": { type: "boolean", default: false, describe: "The same, and empty the whole machine's page cache (Linux, root)" },
    ...producing,
    ...topic,
    ...timing,
    ...where,
  },
  examples: [["$0 bench consume --cluster 3 --bytes 5GB --cold --rate 50000", "and what reading does to those who produce meanwhile"]],
  run: async (args) => (await import("../bench/consume.js")).benchConsume(args),
});

const endToEndCommand = command({
  usage: "end-to-end",
  summary: "Records per second from producers to consumers",
  options: { ...producing, ...consuming, ...topic, ...timing, ...where },
  examples: [["$0 bench end-to-end --cluster 3 --profile profiles", "and a CPU profile of each process"]],
  run: async (args) => (await import("../bench/end-to-end.js")).benchEndToEnd("end-to-end", args),
});

const latencyCommand = command({
  usage: "latency",
  summary: "How late records are at a fixed rate, from when each was due",
  options: {
    ...producing,
    rate: countOr(1_000, "Records per second of all producers together"),
    ...consuming,
    ...topic,
    ...timing,
    ...where,
  },
  examples: [["$0 bench latency --rate 50000 --record-bytes 1KiB --duration 1min", "acknowledgement, and end to end"]],
  run: async (args) => (await import("../bench/end-to-end.js")).benchEndToEnd("latency", args),
});

const failoverCommand = command({
  usage: "failover",
  summary: "The pause in acknowledgements when the leader's process is killed",
  options: {
    ...producing,
    rate: countOr(1_000, "Records per second of all producers together"),
    rounds: countOr(3, "How often"),
    ...topic,
    ...timing,
    ...where,
  },
  examples: [["$0 bench failover --partitions 100 --rate 20000", "on a cluster of three of its own"]],
  run: async (args) => (await import("../bench/failover.js")).benchFailover(args),
});

const recoveryCommand = command({
  usage: "recovery",
  summary: "The time a broker with a large log takes to serve again",
  options: { ...filling, ...producing, ...topic, ...where },
  examples: [["$0 bench recovery --bytes 10GB --partitions 1000 --record-bytes 10KiB", "on a cluster of three of its own"]],
  run: async (args) => (await import("../bench/recovery.js")).benchRecovery(args),
});

const catchUpCommand = command({
  usage: "catch-up",
  summary: "How fast a broker that was down gets what it missed, under load",
  options: {
    ...producing,
    rate: countOr(5_000, "Records per second of all producers together"),
    down: { ...text("How long it is down"), default: "20s" },
    ...topic,
    ...timing,
    ...where,
  },
  examples: [["$0 bench catch-up --down 2min --rate 30000 --record-bytes 1KiB", "on a cluster of three of its own"]],
  run: async (args) => (await import("../bench/catch-up.js")).benchCatchUp(args),
});

const partitionsCommand = command({
  usage: "partitions",
  summary: "What many partitions cost: to make, idle, and with --rate under load",
  options: {
    ...producing,
    ...topic,
    partitions: countOr(1_000, "How many"),
    settle: { ...text("How long after making them they are called idle"), default: "10s" },
    ...timing,
    ...where,
  },
  examples: [["$0 bench partitions --cluster 3 --partitions 1000 --rate 5000", "idle, then 5,000 records/s spread over them"]],
  run: async (args) => (await import("../bench/partitions.js")).benchPartitions(args),
});

export const benchCommand = commandGroup("bench", "Measure a cluster: one that runs, or one of its own (--cluster 3)", [
  produceCommand,
  consumeCommand,
  endToEndCommand,
  latencyCommand,
  failoverCommand,
  recoveryCommand,
  catchUpCommand,
  partitionsCommand,
]);
