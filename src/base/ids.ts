/**
 * The numbers that must not mix, each with a type of its own.
 *
 * All of them are int64 on the wire and on disk and `number` inside: a counter that is raised a million
 * times a second reaches 2^53 after 285 years, and `bigint` costs an allocation per operation on the hot
 * path. Every decoder asserts that what it read is a safe integer.
 */

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** The small positive integer an operator gave a broker; 1 to 65,535. */
export type NodeId = Branded<"NodeId">;
/** One broker's copy of one replica set. Handed out once by the controller and never used again. */
export type ReplicaId = Branded<"ReplicaId">;
/** The election number; 0 before the first election. */
export type Term = Branded<"Term">;
/** Position of an entry in a replicated log; the first entry has 1, 0 means "none". Not an offset. */
export type LogIndex = Branded<"LogIndex">;
/** Position of a record in a partition; the first record has 0. Not a log index. */
export type Offset = Branded<"Offset">;
/** Names a replica set inside a cluster: 0 is the cluster metadata, every partition has its own, never used again. */
export type ReplicaSetId = Branded<"ReplicaSetId">;

export const nodeId = (value: number): NodeId => value as NodeId;
export const replicaId = (value: number): ReplicaId => value as ReplicaId;
export const term = (value: number): Term => value as Term;
export const logIndex = (value: number): LogIndex => value as LogIndex;
export const offset = (value: number): Offset => value as Offset;
export const replicaSetId = (value: number): ReplicaSetId => value as ReplicaSetId;

/** The replica set that carries the cluster metadata. */
export const METADATA_REPLICA_SET: ReplicaSetId = replicaSetId(0);

/** `index + by`, keeping the type. */
export const indexPlus = (index: LogIndex, by: number): LogIndex => (index + by) as LogIndex;
/** `offset + by`, keeping the type. */
export const offsetPlus = (from: Offset, by: number): Offset => (from + by) as Offset;
