/** What the conductor of a benchmark and its workers, each a process, say to each other. */
import type { AcksName, CompressionName, ConnectOptions } from "../../client/index.js";

/** How the client is set; absent keeps its default. */
export type ClientSettings = Pick<ConnectOptions, "batchBytes" | "lingerMs"> & { readonly acks?: AcksName; readonly compression?: CompressionName };

export interface ProduceJob {
  readonly kind: "produce";
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly client: ClientSettings;
  /** Bytes of a value. */
  readonly recordBytes: number;
  /** Different keys; 0 sends none. */
  readonly keys: number;
  /** Clients in this process, each with a connection's streams of its own. */
  readonly producers: number;
  /** Sends that each has under way at a time; 0: as many as the client's buffer takes. */
  readonly underWay: number;
  /** Records per second, of all producers of this process together; 0: as many as can be. */
  readonly rate: number;
}

export interface ConsumeJob {
  readonly kind: "consume";
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly from: "earliest" | "latest";
}

export type Job = ProduceJob | ConsumeJob;

export type ToWorker =
  | { readonly do: "job"; readonly job: Job }
  | { readonly do: "begin" }
  /** Say now how far you are. */
  | { readonly do: "report" }
  /** Producers: send no more. Consumers: end where each partition has reached its offset. Then say `done`. */
  | { readonly do: "stop"; readonly ends: Readonly<Record<number, number>> };

/** Counted from the beginning, but for what is said to be since the last report. */
export interface WorkerReport {
  /** The machine's monotonic time, ms. */
  readonly atMs: number;
  /** Acknowledged, or consumed. */
  readonly records: number;
  /** Of their keys and values. */
  readonly bytes: number;
  readonly failed: number;
  readonly firstFailure: string | undefined;
  /** Since the last report, µs: from the time a record was to be sent to its acknowledgement, or to the consumer. */
  readonly latenciesUs: Uint32Array;
  /** Since the last report that was asked for: the longest time in which a partition acknowledged nothing. */
  readonly longestPauseMs: number;
}

export type FromWorker =
  | { readonly say: "ready" }
  | { readonly say: "report"; readonly asked: boolean; readonly report: WorkerReport }
  | { readonly say: "done"; readonly report: WorkerReport }
  | { readonly say: "failed"; readonly reason: string; readonly message: string };
