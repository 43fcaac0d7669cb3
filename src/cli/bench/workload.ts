/** The options of `quire bench`, and what they come to. */
import type { InferredOptionTypes, Options } from "yargs";
import { QuireError } from "../../base/errors.js";
import { limits } from "../../base/limits.js";
import type { CreateTopicOptions } from "../../client/index.js";
import { resolveOptions } from "../../client/options.js";
import { parseBytes, parseDuration } from "../../config/units.js";
import { compressionOption, jsonOption, sessionOptions } from "../session.js";
import { STAMP_BYTES } from "./payload.js";
import type { ClientSettings, ConsumeJob, ProduceJob } from "./worker-messages.js";

const count = (describe: string) => ({ type: "number", requiresArg: true, describe }) as const satisfies Options;
const countOr = (preset: number, describe: string) => ({ ...count(describe), default: preset }) as const satisfies Options;
const text = (describe: string) => ({ type: "string", requiresArg: true, describe }) as const satisfies Options;

const where = {
  cluster: count("Start a cluster of so many brokers of its own, each a process, on this machine"),
  data: text("With --cluster: where its folders are, on the disk to be measured; default: a temporary folder. Removed afterwards"),
  ...jsonOption,
  profile: text("Write a CPU profile of each process it starts into this folder"),
  brokers: sessionOptions.brokers,
} as const;

const topic = {
  partitions: countOr(6, "Partitions of the topic, which is deleted afterwards"),
  replicas: count("N; default 3, or as many as there are brokers"),
  "write-quorum": count("W"),
  "read-quorum": count("R"),
  flush: { choices: ["batch", "interval"] as const, describe: "fsync before acknowledgement, or every so often" },
} as const;

const producing = {
  "record-bytes": { type: "string", requiresArg: true, default: "100", describe: "Size of a value, 8 bytes to 1MiB" },
  keys: countOr(0, "Different keys; 0 sends none, and partitions take turns by batch"),
  "batch-bytes": text("Size at which the client's batch is full; default: the client's"),
  linger: text("How long a batch waits for more, such as 5ms; default: not at all"),
  acks: { choices: ["quorum", "leader", "none"] as const, default: "quorum" as const, describe: "When a record is acknowledged" },
  compression: compressionOption,
  producers: countOr(1, "Clients that produce"),
  processes: countOr(1, "Processes that they are spread over"),
  "under-way": countOr(0, "Sends that each has under way, each answered before the next; 0: as many as its buffer takes"),
  rate: countOr(0, "Records per second of all producers together, timed from when each was due; 0: as many as can be"),
} as const;

const consuming = { consumers: countOr(1, "Consumers, each a process; they share the partitions") } as const;
const timing = {
  duration: { type: "string", requiresArg: true, default: "10s", describe: "How long to measure" },
  "warm-up": { type: "string", requiresArg: true, default: "2s", describe: "How long to run before" },
} as const;

const filling = {
  bytes: { type: "string", requiresArg: true, default: "500MB", describe: "How much to fill the topic with before" },
} as const;

/** When it needs some of its own and is not told how many. */
const OWN_BROKERS = 3;
/** Of what more is surely a slip, and would take the machine's memory before it took a second. */
const MOST = { producers: 10_000, processes: 64, keys: 1_000_000, "under-way": 1_000_000, rate: 100_000_000 } as const;
/** A stretch that is shorter says nothing. */
const DURATION_MS_MIN = 100;

export const benchOptions = { where, topic, producing, consuming, timing, filling, countOr, text } as const;

/** What yargs makes of them; `json` is only looked at when the result is shown. */
type Args<O extends Record<string, Options>> = InferredOptionTypes<O>;
export type PlaceArgs = Args<typeof where>;
export type TopicArgs = Args<typeof topic>;
export type ProducingArgs = Args<typeof producing>;
export type ConsumingArgs = Args<typeof consuming>;
export type TimingArgs = Args<typeof timing>;
export type FillArgs = Args<typeof filling>;

/** Where a benchmark runs. */
export interface Place {
  /** Brokers of its own; 0 for a cluster that is there. */
  readonly cluster: number;
  readonly brokers: string | undefined;
  readonly data: string | undefined;
  readonly profile: string | undefined;
}

interface PlaceNeeds {
  /** It ends brokers, and so has its own. */
  readonly owns?: boolean;
  /** Brokers, of those. */
  readonly least?: number;
}

/** @throws QuireError INVALID_FIELD */
export function placeOf({ cluster = 0, brokers, data, profile }: PlaceArgs, { owns = false, least = 1 }: PlaceNeeds = {}): Place {
  if (cluster > 0 && brokers !== undefined) refuse("--cluster starts brokers and --brokers names some that run; give one of them");
  if (owns && brokers !== undefined) refuse("this ends brokers, so it starts its own: give --cluster, or nothing, instead of --brokers");
  if (cluster > limits.replicasPerPartition) refuse(`--cluster ${cluster} is more than ${limits.replicasPerPartition}`);
  const own = owns && cluster === 0 ? OWN_BROKERS : cluster;
  if (own > 0 && own < least) refuse(`--cluster ${own} is too few: this needs ${least} brokers`);
  if (data !== undefined && own === 0) refuse("--data is where the brokers of --cluster keep theirs");
  return { cluster: own, brokers, data, profile };
}

/** The same, and the topic fits there. @throws QuireError INVALID_FIELD */
export function checkedPlace(args: PlaceArgs & TopicArgs, needs?: PlaceNeeds): Place {
  const place = placeOf(args, needs);
  const { cluster } = place;
  const { partitions, replicas = 1 } = args;
  if (partitions < 1 || partitions > limits.partitionsPerTopic) refuse(`--partitions ${partitions} is not from 1 to ${limits.partitionsPerTopic}`);
  const most = cluster > 0 ? cluster : limits.replicasPerPartition;
  if (replicas < 1 || replicas > most) refuse(`--replicas ${replicas} is not from 1 to ${most}${cluster > 0 ? ", as many as --cluster starts" : ""}`);
  return place;
}

export const topicOptionsOf = (args: TopicArgs): CreateTopicOptions => ({
  partitions: args.partitions,
  ...(args.replicas === undefined ? {} : { replicas: args.replicas }),
  ...(args["write-quorum"] === undefined ? {} : { writeQuorum: args["write-quorum"] }),
  ...(args["read-quorum"] === undefined ? {} : { readQuorum: args["read-quorum"] }),
  ...(args.flush === undefined ? {} : { settings: { flush: args.flush } }),
});

/** What every job needs to know of where it works. */
export interface Target {
  readonly brokers: readonly string[];
  readonly topic: string;
}

/** One job for each process. @throws QuireError INVALID_FIELD */
export function produceJobs(args: ProducingArgs, target: Target): ProduceJob[] {
  const { producers, rate } = args;
  if (producers < 1) refuse("--producers is at least 1");
  for (const [name, most] of Object.entries(MOST)) {
    const given = args[name as keyof typeof MOST];
    if (given > most) refuse(`--${name} ${given} is more than ${most}`);
  }
  if (rate > 0 && args["under-way"] > 0) refuse("--rate sends what is due whatever is under way; leave --under-way out");
  const processes = Math.min(producers, Math.max(1, args.processes));
  const recordBytes = sizeOf("record-bytes", args["record-bytes"]);
  if (recordBytes < STAMP_BYTES || recordBytes > limits.recordBytes) refuse(`--record-bytes ${args["record-bytes"]} is not from 8 to ${limits.recordBytes}`);
  return shares(producers, processes).map((share) => ({
    kind: "produce",
    ...target,
    client: clientSettings(args),
    recordBytes,
    keys: args.keys,
    producers: share,
    underWay: args["under-way"],
    rate: (rate * share) / producers,
  }));
}

/** One job for each consumer. @throws QuireError INVALID_FIELD */
export function consumeJobs(consumers: number, partitions: number, from: ConsumeJob["from"], target: Target): ConsumeJob[] {
  if (consumers < 1 || consumers > partitions) refuse(`--consumers ${consumers} is not from 1 to ${partitions}, one for each partition`);
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  return Array.from({ length: consumers }, (_, at) => ({
    kind: "consume",
    ...target,
    from,
    partitions: all.filter((partition) => partition % consumers === at),
  }));
}

/** `total` in `parts`, as equal as can be. */
export const shares = (total: number, parts: number): number[] =>
  Array.from({ length: parts }, (_, at) => Math.floor(total / parts) + (at < total % parts ? 1 : 0));

export interface Timing {
  /** How long a load runs in. */
  readonly warmUpMs: number;
  /** How long it is measured. */
  readonly ms: number;
}

/** @throws QuireError INVALID_FIELD */
export function timingOf(args: TimingArgs): Timing {
  return { warmUpMs: durationOf("warm-up", args["warm-up"]), ms: stretchOf("duration", args.duration) };
}

/** A stretch that is measured, in milliseconds. @throws QuireError INVALID_FIELD */
export function stretchOf(flag: string, given: string): number {
  const ms = durationOf(flag, given);
  if (ms < DURATION_MS_MIN) refuse(`--${flag} ${given} is ${ms} ms; ${DURATION_MS_MIN}ms is the least, and 5s is five seconds`);
  return ms;
}

/** @throws QuireError INVALID_FIELD, or INVALID_SETTING as the client says it */
function clientSettings(args: ProducingArgs): ClientSettings {
  const settings = {
    acks: args.acks,
    compression: args.compression,
    ...(args["batch-bytes"] === undefined ? {} : { batchBytes: sizeOf("batch-bytes", args["batch-bytes"]) }),
    ...(args.linger === undefined ? {} : { lingerMs: durationOf("linger", args.linger) }),
  };
  resolveOptions({ brokers: ["checked:1"], ...settings });
  return settings;
}

/** @throws QuireError INVALID_FIELD */
export const sizeOf = (flag: string, given: string): number => parseBytes(given) ?? refuse(`--${flag} ${given} is not a size such as 100, 1KiB or 2GB`);
/** In milliseconds. @throws QuireError INVALID_FIELD */
export const durationOf = (flag: string, given: string): number => parseDuration(given) ?? refuse(`--${flag} ${given} is not a duration such as 500ms or 10s`);

/** @throws QuireError INVALID_FIELD */
export function refuse(message: string): never {
  throw new QuireError("INVALID_FIELD", message);
}
