import { QuireError } from "../base/errors.js";
import type { NodeId, Offset, ReplicaSetId, Term } from "../base/ids.js";
import type { Clock } from "../base/ports.js";
import type { GroupsView } from "../cluster/group-info.js";
import type { ClusterView, TopicPartition } from "../cluster/view.js";
import type { Replica } from "../replica/types.js";
import { Deadlines } from "./deadlines.js";
import { type FetchOptions, fetch } from "./fetch.js";
import { Idempotence, type IdempotenceOptions } from "./idempotence.js";
import { InflightBytes } from "./inflight-bytes.js";
import { type ListedOffset, listOffset } from "./list-offsets.js";
import { PartitionKeeper } from "./partition-keeper.js";
import { PartitionWatch } from "./partition-watch.js";
import { type ProduceOptions, produce } from "./produce.js";
import { GroupsProgress } from "./progress.js";
import type { ProgressTable } from "./progress-table.js";
import type { Progress, ProgressCommit, ProgressQuery } from "./progress-types.js";
import { ReadPace } from "./read-pace.js";
import { LocalReader } from "./reader.js";
import { trim } from "./trim.js";
import type { DataPlane, FetchRequest, FetchResult, PartitionReader, Position, ProduceRequest, ProduceResult } from "./types.js";

export interface DataPlaneOptions {
  readonly view: ClusterView;
  readonly replicaOf: (id: ReplicaSetId) => Replica | undefined;
  readonly clock: Clock;
  /** Whether the disk takes so many bytes more of records; a yes counts them. Asked for every batch, so it must be cheap. */
  readonly hasRoom: (bytes: number) => boolean;
  /** Whether another broker's disk has room for more. */
  readonly hasRoomAt: (broker: NodeId) => boolean;
  readonly recordBytesMax: number;
  readonly batchBytesMax: number;
  /** Produce bytes in memory and not yet written. */
  readonly inflightBytesMax: number;
  /** Fetches waiting for records at a time. */
  readonly fetchWaitersMax: number;
  readonly producers: Omit<IdempotenceOptions, "wallMs"> & {
    /** A partition forgets a producer that wrote nothing for so long. */
    readonly expireMs: number;
  };
  readonly groups: GroupsView;
  /** What groups have processed of a partition, as applied on this broker. */
  readonly progressOf: (id: ReplicaSetId) => ProgressTable | undefined;
}

/** How long a trim, a commit of progress, or the confirmation of a read point, may take. */
const CONFIRM_MS_MAX = 10_000;

/** This broker's part of the data plane: what it leads, it writes and reads. `close` refuses and wakes everyone; call it before the replicas stop. */
export class LocalDataPlane implements DataPlane {
  readonly #keeper: PartitionKeeper;
  readonly #watch: PartitionWatch;
  readonly #deadlines: Deadlines;
  readonly #pace: ReadPace;
  readonly #inflight: InflightBytes;
  readonly #produce: ProduceOptions;
  readonly #fetch: FetchOptions;
  readonly #idempotence: Idempotence;
  readonly #expireProducersMs: number;
  readonly #progress: GroupsProgress;

  constructor(options: DataPlaneOptions) {
    const { view, replicaOf, clock, hasRoom, hasRoomAt, recordBytesMax, batchBytesMax, inflightBytesMax, fetchWaitersMax, producers } = options;
    this.#keeper = new PartitionKeeper(view, replicaOf);
    this.#watch = new PartitionWatch(view, replicaOf);
    this.#deadlines = new Deadlines(clock);
    this.#pace = new ReadPace(clock);
    this.#inflight = new InflightBytes(inflightBytesMax, clock);
    this.#idempotence = new Idempotence({ ...producers, wallMs: () => clock.wallMs() });
    this.#expireProducersMs = producers.expireMs;
    const shared = { keeper: this.#keeper, deadlines: this.#deadlines, watch: this.#watch, clock, pace: this.#pace };
    const room = { hasRoom, hasRoomAt, isAlive: (broker: NodeId) => view.isAlive(broker) };
    this.#produce = { ...shared, ...room, inflight: this.#inflight, idempotence: this.#idempotence, recordBytesMax, batchBytesMax };
    this.#fetch = { ...shared, waitersMax: fetchWaitersMax, waiters: 0 };
    this.#progress = new GroupsProgress({ ...shared, view, groups: options.groups, tableOf: options.progressOf, confirmMsMax: CONFIRM_MS_MAX });
  }

  get inflightBytes(): number {
    return this.#inflight.bytes;
  }

  get inflightBytesMax(): number {
    return this.#inflight.max;
  }

  onDrain(run: () => void): () => void {
    return this.#inflight.onDrain(run);
  }

  produce(request: ProduceRequest, done: (outcome: ProduceResult | Error) => void): Term | undefined {
    return produce(this.#produce, request, done);
  }

  fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchResult> {
    return fetch(this.#fetch, request, signal);
  }

  reader(at: TopicPartition, start: Offset): PartitionReader {
    return new LocalReader(this.#fetch, at, start);
  }

  listOffset(at: TopicPartition, position: Position): Promise<ListedOffset> {
    return listOffset({ keeper: this.#keeper, deadlines: this.#deadlines, confirmMsMax: CONFIRM_MS_MAX }, at, position);
  }

  trim(at: TopicPartition, before: Offset): Promise<Offset> {
    return trim({ keeper: this.#keeper, deadlines: this.#deadlines, timeoutMs: CONFIRM_MS_MAX }, at, before);
  }

  commitProgress(commit: ProgressCommit): Promise<{ readonly offset: Offset; readonly term: Term }> {
    return this.#progress.commitProgress(commit);
  }

  progress(query: ProgressQuery): Promise<Progress> {
    return this.#progress.progress(query);
  }

  /** Lets time pass for a partition that this broker leads: producers that are idle, and groups that are gone, are forgotten one day. */
  tellTime(replica: Replica, at: TopicPartition): void {
    if (!replica.serving) return;
    this.#idempotence.of(replica, at)?.tellTime(this.#expireProducersMs);
    this.#progress.forgetGone(replica, at);
  }

  close(): void {
    this.#keeper.close(new QuireError("SHUTTING_DOWN", "this broker is shutting down; its partitions move to other brokers", { retryAfterMs: 100 }));
    this.#watch.close();
    this.#pace.close();
    this.#progress.close();
    this.#deadlines.close();
  }
}
