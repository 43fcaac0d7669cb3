/**
 * Every setting of a broker, once: kind, unit, default, bounds and what it is for. The name in the table is the name in
 * the file; `produce.batchBytesMax` is also `QUIRE_PRODUCE_BATCH_BYTES_MAX` and `--produce-batch-bytes-max`.
 */
import { KIB, limits, MIB, timing } from "../base/limits.js";
import { topicBounds } from "../base/topic-bounds.js";
import { address, addresses, bytes, choice, duration, founders, integer, type Setting, text } from "./kinds.js";

const SECOND_MS = 1000;
const DAY_MS = 86_400_000;
const GIB = 1024 * MIB;

export const settings = {
  nodeId: integer({ default: 1, min: 1, max: limits.nodeIdMax, doc: "This broker's number, its own in the cluster, for life." }),
  dataFolder: text({ default: "quire-data", lengthMax: 4_096, doc: "Where everything is kept; belongs to one broker for life." }),
  listen: address({ default: "127.0.0.1:9701", portMin: 0, doc: "Where to listen for clients." }),
  advertise: address({ default: "", portMin: 1, optional: true, doc: "Where clients reach this broker, if not at `listen`." }),
  peerListen: address({ default: "127.0.0.1:9801", portMin: 0, doc: "Where to listen for other brokers." }),
  peerAdvertise: address({ default: "", portMin: 1, optional: true, doc: "Where other brokers reach this one, if not as `peers` or `peerListen` say." }),
  peers: founders({ doc: "Who founds the cluster, this broker included; the same on each. Empty: a cluster of one, or see `join`." }),
  join: addresses({ doc: "Brokers (their peer addresses) of a running cluster that this one joins." }),
  rack: text({ default: "", lengthMax: 255, doc: "Replicas of a partition are spread over racks." }),

  "log.level": choice({ default: "info", of: ["debug", "info", "warn", "error"], doc: "The least important lines written." }),
  "log.format": choice({ default: "auto", of: ["auto", "json", "pretty"], doc: "JSON lines for machines, short ones for people; auto: people at a terminal." }),

  "topics.retentionMs": duration({ default: 7 * DAY_MS, ...topicBounds.retentionMs, doc: "How long a new topic's records are kept; 0 is forever." }),
  "topics.retentionBytes": bytes({ default: 0, ...topicBounds.retentionBytes, doc: "How much is kept of each partition of a new topic; 0 is all." }),
  "topics.segmentBytes": bytes({ default: 128 * MIB, ...topicBounds.segmentBytes, doc: "Size at which a new segment file begins." }),
  "topics.segmentAgeMs": duration({ default: 7 * DAY_MS, ...topicBounds.segmentAgeMs, doc: "Age at which a new segment file begins; 0 is never." }),
  "topics.flush": choice({
    default: "batch",
    of: ["batch", "interval"],
    doc: "fsync before acknowledgement, or every so often: then W power losses at once lose records.",
  }),
  "topics.flushIntervalMs": duration({ default: SECOND_MS, ...topicBounds.flushIntervalMs, doc: "With flush=interval: at most this long unsynced." }),

  "retention.checkMs": duration({ default: 10 * SECOND_MS, min: 100, max: 3600 * SECOND_MS, doc: "How often leaders look for records that may go." }),

  "produce.recordBytesMax": bytes({ default: limits.recordBytes, min: KIB, max: limits.recordBytes, doc: "Largest record." }),
  "produce.batchBytesMax": bytes({ default: limits.batchBytes, min: 2 * KIB, max: limits.batchBytes, doc: "Largest batch." }),
  "produce.inflightBytesMax": bytes({
    default: 16 * MIB,
    min: 4 * MIB,
    max: 4 * GIB,
    doc: "Admitted and not yet acknowledged on this broker; above it, producers wait.",
  }),
  "producers.expireMs": duration({
    default: 7 * DAY_MS,
    min: SECOND_MS,
    max: 3650 * DAY_MS,
    doc: "A partition forgets an idempotent producer that wrote nothing for so long.",
  }),
  "producers.perPartitionMax": integer({
    default: limits.producersPerPartition,
    min: 1,
    max: limits.producersPerPartition,
    doc: "Most idempotent producers a partition remembers; beyond it those idle longest are forgotten.",
  }),
  "groups.expireMs": duration({
    default: 7 * DAY_MS,
    min: SECOND_MS,
    max: 3650 * DAY_MS,
    doc: "A consumer group without members, and its offsets, are forgotten after so long.",
  }),
  "cache.bytesMax": bytes({
    default: 8 * MIB,
    min: 4 * MIB,
    max: 64 * GIB,
    doc: "Memory for recent batches of partitions led here, from which readers of the tail are served.",
  }),
  "replication.inflightBytesMax": bytes({
    default: 4 * MIB,
    min: 64 * KIB,
    max: GIB,
    doc: "Sent to one other broker, over all partitions, and not yet on its disk, and half as much again for replicas that are read for from disk; more helps where brokers are far from each other.",
  }),
  "journal.appendBytesMax": bytes({
    default: limits.journalAppendBytes,
    min: 0,
    max: 256 * KIB,
    doc: "Appends up to this size share a journal's syncs with those of other partitions; 0: each partition is synced by itself.",
  }),
  "disk.reserveBytes": bytes({ default: 256 * MIB, min: 0, max: 1024 * GIB, doc: "With less room than this on the disk, producing is refused." }),
  "streams.perBrokerMax": integer({ default: limits.streamsPerBroker, min: 1, max: limits.streamsPerBroker, doc: "Most client streams of one kind." }),
  "streams.heartbeatMs": duration({
    default: limits.streamHeartbeatMs,
    min: 500,
    max: 10 * SECOND_MS,
    doc: "A stream that is silent this long says that it lives.",
  }),

  "timing.heartbeatMs": duration({
    default: timing.heartbeatTicks * timing.tickMs,
    min: timing.tickMs,
    max: 10 * SECOND_MS,
    doc: "How often a leader is heard.",
  }),
  "timing.electionTimeoutMs": duration({
    default: timing.electionTicks * timing.tickMs,
    min: 3 * timing.tickMs,
    max: 60 * SECOND_MS,
    doc: "A leader silent this long (to twice this long) is replaced.",
  }),
  "timing.suspicionMs": duration({
    default: timing.suspicionTicks * timing.tickMs,
    min: timing.tickMs,
    max: 60 * SECOND_MS,
    doc: "The same after a leader's connection broke.",
  }),
  "timing.quiesceMs": duration({
    default: timing.quiesceTicks * timing.tickMs,
    min: timing.tickMs,
    max: 3600 * SECOND_MS,
    doc: "A replica set idle this long goes quiet.",
  }),
} as const;

type Settings = typeof settings;
export type SettingName = keyof Settings;
type ValueOf<S> = S extends Setting<infer T> ? T : never;
type TopLevel = { readonly [K in SettingName as K extends `${string}.${string}` ? never : K]: ValueOf<Settings[K]> };
type SectionName = SettingName extends infer K ? (K extends `${infer Section}.${string}` ? Section : never) : never;
type Section<S extends string> = { readonly [K in SettingName as K extends `${S}.${infer Name}` ? Name : never]: ValueOf<Settings[K]> };

/** All settings of a broker, checked: `config.produce.batchBytesMax`. */
export type Config = TopLevel & { readonly [S in SectionName]: Section<S> };

export interface Resolved {
  readonly config: Config;
  /** Where each value came from, for people: `default`, `file quire.yaml`, `environment QUIRE_NODE_ID`, `flag --node-id`. */
  readonly origins: Readonly<Record<SettingName, string>>;
}

export const settingNames = Object.keys(settings) as readonly SettingName[];
export const isSettingName = (name: string): name is SettingName => Object.hasOwn(settings, name);

const words = (name: string): string => name.replace(/[.]/g, "-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
/** `produce.batchBytesMax` → `produce-batch-bytes-max`. */
export const flagOf = (name: SettingName): string => words(name);
/** `produce.batchBytesMax` → `QUIRE_PRODUCE_BATCH_BYTES_MAX`. */
export const variableOf = (name: SettingName): string => `QUIRE_${words(name).replaceAll("-", "_").toUpperCase()}`;
