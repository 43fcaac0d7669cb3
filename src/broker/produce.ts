import { InvariantError } from "../base/assert.js";
import { QuireError, toQuireError } from "../base/errors.js";
import { type NodeId, offset, type Term } from "../base/ids.js";
import type { Clock } from "../base/ports.js";
import type { RecordBatchHeader } from "../base/record-batch.js";
import { type Committed, EntryKind, type Placed, type Replica } from "../replica/types.js";
import { checkBatch } from "./check-batch.js";
import type { Deadlines, Expiring, Slot } from "./deadlines.js";
import type { Idempotence } from "./idempotence.js";
import type { InflightBytes } from "./inflight-bytes.js";
import type { Admission, LeadingProducers, PendingBatch } from "./leading-producers.js";
import type { PartitionKeeper } from "./partition-keeper.js";
import type { ReadPace } from "./read-pace.js";
import type { ProduceRequest, ProduceResult } from "./types.js";

export interface ProduceOptions {
  readonly keeper: PartitionKeeper;
  readonly deadlines: Deadlines;
  readonly inflight: InflightBytes;
  readonly clock: Clock;
  readonly pace: ReadPace;
  readonly idempotence: Idempotence;
  readonly recordBytesMax: number;
  readonly batchBytesMax: number;
  /** Whether this broker's disk takes so many bytes more. */
  readonly hasRoom: (bytes: number) => boolean;
  /** Whether another broker's disk has room for more, as that broker says. */
  readonly hasRoomAt: (broker: NodeId) => boolean;
  /** Whether a broker is connected. */
  readonly isAlive: (broker: NodeId) => boolean;
}

type Done = (outcome: ProduceResult | Error) => void;

/** What may be done with a batch now. */
interface Admitted {
  readonly replica: Replica;
  readonly batch: RecordBatchHeader;
  /** Of an idempotent producer's batch. */
  readonly producers: LeadingProducers | undefined;
  readonly admission: Admission;
}

/**
 * Admits a batch (partition and leadership, batch, its producer's sequence, disk, memory), then proposes it. Nothing is appended before all of it
 * holds, nor when it is there already: then the answer is the original's.
 */
export function produce(options: ProduceOptions, request: ProduceRequest, done: Done): Term | undefined {
  let admitted: Admitted;
  try {
    admitted = admit(options, request);
  } catch (thrown) {
    if (thrown instanceof InvariantError) throw thrown;
    done(toQuireError(thrown));
    return undefined;
  }
  const { replica, admission } = admitted;
  if (admission.kind === "written") {
    const { term, configuration } = replica;
    // Committed long since: at least W had it on disk.
    done(request.acks === "none" ? unheard(term) : { baseOffset: admission.original.baseOffset, term, replicasOnDisk: configuration.w });
    return term;
  }
  options.inflight.take(request.batch.body.length);
  const pending = new PendingProduce(options, request, done);
  if (admission.kind === "next") pending.propose(admitted);
  else pending.follow(replica.term, admission.original);
  return pending.placedIn;
}

/** The answer for acks=none. */
const unheard = (term: Term): ProduceResult => ({ baseOffset: offset(-1), term, replicasOnDisk: 0 });

function admit(options: ProduceOptions, request: ProduceRequest): Admitted {
  const { keeper } = options;
  // What a producer wrote before is known once everything of former leaders is applied.
  const { topic, replica } = request.batch.producerId === 0 ? keeper.leading(request) : keeper.serving(request);
  if (request.ifTerm !== undefined && request.ifTerm !== replica.term) {
    throw new QuireError(
      "STALE_TERM",
      `${request.topic}/${request.partition} has had an election since the batch before: its term is ${replica.term}, not ${request.ifTerm}`,
      {
        details: { topic: request.topic, partition: request.partition, term: replica.term },
      },
    );
  }
  const batch = checkBatch(request.batch, {
    recordBytesMax: options.recordBytesMax,
    batchBytesMax: Math.min(options.batchBytesMax, topic.settings.batchBytesMax),
  });
  const producers = batch.producerId === 0 ? undefined : options.idempotence.of(replica, request);
  const admission: Admission = producers?.admit(batch) ?? { kind: "next" };
  if (admission.kind === "next") checkRoom(options, request, replica);
  return { replica, batch, producers, admission };
}

/**
 * Room here, and with W of the replicas: what is admitted must find its way to so many disks, and what makes room again (a new log start)
 * stands behind it in the log. A broker that is down has not said that its disk is full, but counts for nothing once another has.
 */
function checkRoom({ hasRoom, hasRoomAt, isAlive, keeper }: ProduceOptions, { topic, partition, batch }: ProduceRequest, { configuration }: Replica): void {
  const refuse = (brokers: readonly NodeId[]): void => {
    const whose = brokers.length === 1 ? `the disk of broker ${brokers[0]} is` : `the disks of brokers ${brokers.join(", ")} are`;
    throw new QuireError(
      "DISK_FULL",
      `${whose} nearly full, so ${topic}/${partition} takes no records; reads go on: free space, shorten retention or add disk`,
      {
        details: { topic, partition, brokers: brokers.join(",") },
        retryAfterMs: 1_000,
      },
    );
  };
  const { incoming } = configuration;
  for (const { voters, w } of incoming === undefined ? [configuration] : [configuration, incoming]) {
    const full = voters.filter(({ nodeId }) => nodeId !== keeper.self && !hasRoomAt(nodeId));
    if (full.length === 0) continue;
    const taking = voters.filter(({ nodeId }) => nodeId === keeper.self || (isAlive(nodeId) && hasRoomAt(nodeId)));
    if (taking.length < w) refuse(full.map(({ nodeId }) => nodeId));
  }
  if (!hasRoom(batch.body.length)) refuse([keeper.self]);
}

/** One admitted batch: answered once, by what its acks ask for or by its deadline, whichever is first. */
class PendingProduce implements Expiring {
  readonly #options: ProduceOptions;
  readonly #request: ProduceRequest;
  readonly #slot: Slot;
  #done: Done | undefined;
  /** The term in which it was appended; undefined when it was not. */
  placedIn: Term | undefined;

  constructor(options: ProduceOptions, request: ProduceRequest, done: Done) {
    this.#options = options;
    this.#request = request;
    this.#done = done;
    this.#slot = options.deadlines.add(this, request.timeoutMs);
  }

  propose({ replica, batch, producers }: Admitted): void {
    const proposal = { kind: EntryKind.records, batch, body: this.#request.batch.body };
    const begun = producers?.begin(batch);
    const { clock, pace } = this.#options;
    const admittedMs = clock.monotonicMs();
    const settle = (outcome: Committed | Error): void => {
      if (begun !== undefined) producers?.settled(begun, outcome);
      if (!(outcome instanceof Error)) pace.committed(this.#request.batch.body.length, clock.monotonicMs() - admittedMs);
      this.#settle(outcome);
    };
    const { acks } = this.#request;
    const placed = ({ term }: Placed): void => {
      this.placedIn = term;
      if (begun !== undefined) begun.isPlaced = true;
      if (acks === "none") this.#answer(unheard(term));
    };
    if (acks === "leader") {
      const onDisk = ({ baseOffset, term }: Placed): void => this.#answer({ baseOffset, term, replicasOnDisk: 1 });
      replica.propose(proposal, settle, { placed, onDisk });
    } else replica.propose(proposal, settle, { placed });
  }

  /** A retry of a batch that is under way gets the outcome of the original. */
  follow(term: Term, original: PendingBatch): void {
    this.placedIn = term;
    if (this.#request.acks === "none") this.#answer(unheard(term));
    original.followers.push((outcome) => this.#settle(outcome));
  }

  expire(): void {
    const { topic, partition, timeoutMs, batch } = this.#request;
    const remedy = batch.producerId === 0 ? "so retry only if writing it twice does no harm" : "so send it again as it is: it is written once";
    this.#answer(
      new QuireError(
        "WRITE_OUTCOME_UNKNOWN",
        `the batch for ${topic}/${partition} was not confirmed within ${timeoutMs} ms; it may or may not be written, ${remedy}`,
        {
          details: { topic, partition, timeoutMs },
        },
      ),
    );
  }

  #settle(outcome: Committed | Error): void {
    this.#options.inflight.give(this.#request.batch.body.length);
    this.#answer(outcome instanceof Error ? this.#options.keeper.explain(this.#request, outcome) : outcome);
  }

  #answer(outcome: ProduceResult | Error): void {
    const done = this.#done;
    if (done === undefined) return;
    this.#done = undefined;
    this.#slot.delete(this);
    done(outcome);
  }
}
