/** What an entry of a replicated log carries. Numbers are the ones on disk and between brokers. */
export const EntryKind = {
  /** A record batch. */
  records: 1,
  /** First entry of a leader's term. */
  noOp: 2,
  /** Members, W and R. */
  configuration: 3,
  /** Consumer groups' offsets; later acknowledgements and leases. */
  progress: 4,
  /** Transaction markers. */
  transaction: 5,
  /** A new log start. */
  trim: 6,
  /** A command to the cluster metadata's state machine. */
  command: 7,
  /** Time passes for a partition's producers: who is idle grows older, who was idle for too long is forgotten. */
  producers: 8,
} as const;
export type EntryKindCode = (typeof EntryKind)[keyof typeof EntryKind];
