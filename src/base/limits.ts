/**
 * Every bound that is a promise between parts, in one place, with the relations between them asserted.
 * What an operator may change is a setting in `config/`; these are the hard bounds and the defaults.
 */
import { assert } from "./assert.js";

export const KIB = 1024;
export const MIB = 1024 * KIB;

export const limits = {
  /** Largest record: key, value and headers as encoded. Default of `produce.recordBytesMax`. */
  recordBytes: MIB,
  /** Largest record batch body. Default of `produce.batchBytesMax`. */
  batchBytes: 2 * MIB,
  /** Largest body of a compressed batch once it is uncompressed: what a consumer may have to hold. */
  uncompressedBytes: 64 * MIB,
  /** Most records in one batch. */
  batchRecords: 1_000_000,
  /** Latest timestamp of a record: the largest that ECMAScript's Date can say, about the year 275,760. */
  timestampMsMax: 8_640_000_000_000_000,
  /** Largest message to a client; stays under gRPC's default receive limit of 4 MiB. */
  responseBytes: 3 * MIB,
  /** Largest message from a client: one full batch and its envelope, or many small ones. */
  requestBytes: 3 * MIB,
  /** Largest message between brokers. */
  peerMessageBytes: 8 * MIB,
  /** HTTP/2 receive window of streams and connections, both ends. */
  flowControlWindowBytes: 4 * MIB,
  topicNameLength: 249,
  headersPerRecord: 100,
  partitionsPerTopic: 10_000,
  /** Of all topics together: the metadata is in the memory of every broker, and a snapshot of it travels as one. */
  partitionsPerCluster: 100_000,
  brokersPerCluster: 1_000,
  replicasPerPartition: 7,
  nodeIdMax: 65_535,
  /** Subscriptions in one Subscribe stream. */
  subscriptionsPerStream: 10_000,
  /** Streams of one kind per broker. */
  streamsPerBroker: 10_000,
  /** Connections to clients, and as many to brokers; one more is closed at once. */
  connectionsPerServer: 10_000,
  pageSize: 1_000,
  /** Of each producer, a partition remembers so many of its last batches: a retry of one of them gets the original offset. */
  producerBatchesKept: 5,
  /** Producers that a partition remembers at the most; default of `producers.perPartitionMax`. */
  producersPerPartition: 10_000,
  /** Named producers of a cluster: the metadata is in the memory of every broker. */
  namedProducers: 10_000,
  /** Producer ids that one request takes at the most. */
  producerIdsAtOnce: 1_000,
  /** Sequences and epochs end here; a producer whose sequence would be larger begins a new epoch. */
  sequenceMax: 0x7fff_ffff,
  /** Appends up to this size share the journal's syncs. Default of `journal.appendBytesMax`. */
  journalAppendBytes: 32 * KIB,
  streamHeartbeatMs: 5_000,
  /** Consumer groups of a cluster: the metadata is in the memory of every broker. */
  groups: 10_000,
  membersPerGroup: 10_000,
  /** What all groups together take in a snapshot of the metadata, roughly. */
  groupsBytes: 32 * MIB,
  /** Names in one member's subscription. */
  topicsPerSubscription: 1_000,
  memberIdLength: 64,
  groupSessionTimeoutMs: 10_000,
  groupSessionTimeoutMsMin: 1_000,
  groupSessionTimeoutMsMax: 1_800_000,
  /** Commits, or questions for offsets, in one request. */
  offsetsPerRequest: 1_000,
  /** Groups whose progress one partition keeps. */
  groupsPerPartition: 1_000,
} as const;

/** Consensus time is counted in ticks. */
export const timing = {
  tickMs: 50,
  heartbeatTicks: 2,
  /** An election starts after this many silent ticks plus a random number below it. */
  electionTicks: 20,
  /** After a broken connection hints at a dead leader: at most this many ticks before a pre-vote. */
  suspicionTicks: 3,
  /** Idle ticks after which a caught-up replica set stops ticking altogether. Short, since thousands may be woken at once by a broker that goes. */
  quiesceTicks: 20,
} as const;

assert(limits.batchBytes >= limits.recordBytes + 64 * KIB, "the largest record fits into a batch");
assert(limits.responseBytes >= limits.batchBytes + 64 * KIB, "the largest batch fits into a response");
assert(limits.requestBytes >= limits.batchBytes + 64 * KIB, "the largest batch fits into a request");
assert(limits.peerMessageBytes >= limits.batchBytes + MIB, "the largest batch fits into a message between brokers");
assert(timing.heartbeatTicks * 3 <= timing.electionTicks, "three heartbeats fit into an election timeout");
