import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QuireError } from "../../src/base/errors.js";
import { type Offset, offset, term } from "../../src/base/ids.js";
import { limits } from "../../src/base/limits.js";
import { decodeProducersEntry } from "../../src/base/producers-entry.js";
import type { RecordBatchHeader } from "../../src/base/record-batch.js";
import { LeadingProducers, type PendingBatch } from "../../src/broker/leading-producers.js";
import { ProducerTable } from "../../src/broker/producer-table.js";
import type { Committed, Proposal } from "../../src/replica/types.js";
import { batchOf, headerOf } from "../support/batches.js";
import { refusal } from "../support/refusals.js";

const header = (producerId: number, producerEpoch: number, baseSequence: number, recordCount = 1): RecordBatchHeader => ({
  ...headerOf(batchOf(["x"])),
  producerId,
  producerEpoch,
  baseSequence,
  recordCount,
});

/** One partition with its leader; `elect` begins another term with what is applied. */
class Partition {
  table = new ProducerTable();
  leading: LeadingProducers;
  wallMs = 1_000_000;
  epochs = new Map<number, number>();
  readonly proposed: { readonly proposal: Proposal; readonly done: (outcome: Committed | Error) => void }[] = [];
  readonly #producersMax: number;
  #term = 1;
  #end = 0;

  constructor(producersMax = 100) {
    this.#producersMax = producersMax;
    this.leading = this.elect();
  }

  elect(): LeadingProducers {
    const replica = {
      term: term(this.#term++),
      propose: (proposal: Proposal, done: (outcome: Committed | Error) => void) => void this.proposed.push({ proposal, done }),
    };
    const epochOf = (id: number): number | undefined => this.epochs.get(id);
    this.leading = new LeadingProducers({ name: "t/0", replica, table: this.table, producersMax: this.#producersMax, epochOf, wallMs: () => this.wallMs });
    return this.leading;
  }

  begin(batch: RecordBatchHeader): PendingBatch {
    assert.equal(this.leading.admit(batch).kind, "next");
    const pending = this.leading.begin(batch);
    pending.isPlaced = true;
    return pending;
  }

  /** The batch is committed, applied, and its producer told; returns its offset. */
  commit(batch: RecordBatchHeader, pending: PendingBatch): Offset {
    const baseOffset = offset(this.#end);
    this.#end += batch.recordCount;
    this.table.wrote(batch, baseOffset);
    this.leading.settled(pending, { baseOffset } as Committed);
    return baseOffset;
  }

  write(batch: RecordBatchHeader): Offset {
    return this.commit(batch, this.begin(batch));
  }

  /** Applies the `producers` entries proposed so far; returns who was forgotten. */
  applyEntries(): number[] {
    return this.proposed.splice(0).flatMap(({ proposal, done }) => {
      const entry = decodeProducersEntry(proposal.body);
      this.table.passed(entry);
      done({} as Committed);
      return [...entry.forgotten];
    });
  }
}

test("the next sequence is taken, a retry gets the offset of the original, a gap and an older epoch get nothing", async () => {
  const partition = new Partition();
  partition.write(header(7, 0, 0, 3));
  const at = partition.write(header(7, 0, 3, 2));
  assert.deepEqual(partition.leading.admit(header(7, 0, 3, 2)), { kind: "written", original: { baseSequence: 3, recordCount: 2, baseOffset: at } });
  const gap = await refusal("OUT_OF_ORDER_SEQUENCE", () => partition.leading.admit(header(7, 0, 6)));
  assert.equal(gap.details["nextSequence"], 5);
  await refusal("OUT_OF_ORDER_SEQUENCE", () => partition.leading.admit(header(7, 1, 5)));
  partition.write(header(7, 1, 0));
  const fenced = await refusal("PRODUCER_FENCED", () => partition.leading.admit(header(7, 0, 5)));
  assert.equal(fenced.details["currentEpoch"], 1);
  await refusal("OUT_OF_ORDER_SEQUENCE", () => partition.leading.admit(header(8, 0, 1)));
});

test("a retry of a batch under way waits for the original and gets its outcome", () => {
  const partition = new Partition();
  const batch = header(7, 0, 0);
  const pending = partition.begin(batch);
  const retry = partition.leading.admit(batch);
  assert.ok(retry.kind === "pending");
  const outcomes: (Committed | Error)[] = [];
  retry.original.followers.push((outcome) => outcomes.push(outcome));
  partition.begin(header(7, 0, 1));
  const at = partition.commit(batch, pending);
  assert.deepEqual(outcomes, [{ baseOffset: at }]);
});

test("a batch that was refused leaves its sequence to the next; a new epoch under way fences the old one at once", async () => {
  const partition = new Partition();
  const refused = partition.begin(header(7, 0, 0));
  partition.leading.settled(refused, new QuireError("NOT_LEADER", "no"));
  await refusal("OUT_OF_ORDER_SEQUENCE", () => partition.leading.admit(header(7, 0, 1)));
  partition.begin(header(7, 0, 0));
  partition.begin(header(7, 1, 0));
  await refusal("PRODUCER_FENCED", () => partition.leading.admit(header(7, 0, 1)));
});

test("nothing is taken behind a batch that has no place yet", async () => {
  const partition = new Partition();
  partition.begin(header(7, 0, 0)).isPlaced = false;
  await refusal("NOT_READY", () => partition.leading.admit(header(7, 0, 1)));
});

test("a named producer is fenced by what the metadata says, wherever its new self has not written yet", async () => {
  const partition = new Partition();
  partition.write(header(7, 0, 0));
  partition.epochs.set(7, 8_192);
  await refusal("PRODUCER_FENCED", () => partition.leading.admit(header(7, 0, 1)));
  partition.write(header(7, 8_193, 0));
});

test("only the last batches are remembered: an older retry is a duplicate of unknown offset, another cut of the same sequences is refused", async () => {
  const partition = new Partition();
  for (let sequence = 0; sequence < 20; sequence += 2) partition.write(header(7, 0, sequence, 2));
  const oldest = 20 - 2 * limits.producerBatchesKept;
  assert.equal(partition.leading.admit(header(7, 0, oldest, 2)).kind, "written");
  await refusal("DUPLICATE_SEQUENCE", () => partition.leading.admit(header(7, 0, oldest - 2, 2)));
  await refusal("INVALID_FIELD", () => partition.leading.admit(header(7, 0, oldest, 1)));
  await refusal("INVALID_FIELD", () => partition.leading.admit(header(7, 0, oldest + 1, 2)));
});

test("time: whoever is idle for too long is forgotten, not a moment too early, and never with a batch under way", () => {
  const partition = new Partition();
  const expireMs = 8_000;
  const tell = (ms: number): number[] => {
    partition.wallMs += ms;
    partition.leading.tellTime(expireMs);
    return partition.applyEntries();
  };
  for (const id of [1, 2, 3]) partition.write(header(id, 0, 0));
  assert.deepEqual(tell(1_000), []);
  partition.write(header(2, 0, 1));
  partition.begin(header(3, 0, 1));
  assert.deepEqual(tell(7_999), []);
  assert.deepEqual(tell(1), [1]);
  assert.deepEqual([partition.table.get(1), partition.table.get(2)?.batches.length], [undefined, 2]);
  assert.deepEqual(tell(8_000), [2]);
  partition.wallMs += expireMs;
  partition.leading.tellTime(expireMs);
  assert.deepEqual(partition.proposed, [], "where nobody writes, nothing is proposed any more");
});

test("a full partition forgets the longest idle for a newcomer, and asks once", () => {
  const partition = new Partition(3);
  for (const id of [1, 2, 3]) partition.write(header(id, 0, 0));
  partition.write(header(1, 0, 1));
  const pending = partition.begin(header(4, 0, 0));
  partition.begin(header(1, 0, 2));
  assert.deepEqual(partition.applyEntries(), [2]);
  partition.commit(header(4, 0, 0), pending);
  assert.equal(partition.table.size, 3);
});

interface Step {
  readonly kind: "send" | "retry" | "old" | "gap" | "epoch" | "commit" | "failover" | "snapshot";
  readonly producer: number;
  readonly count: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("send", "send", "send", "retry", "old", "gap", "epoch", "commit", "commit", "failover", "snapshot"),
  producer: fc.integer({ min: 1, max: 3 }),
  count: fc.integer({ min: 1, max: 4 }),
});

/** What a producer of the model has sent, and what a simple model says is in the log. */
class Model {
  readonly partition = new Partition();
  readonly #producers = new Map<number, { epoch: number; next: number; sent: RecordBatchHeader[] }>();
  readonly #underWay: { readonly batch: RecordBatchHeader; readonly pending: PendingBatch }[] = [];
  /** Every entry ever committed, by producer, epoch and sequence. */
  readonly #log = new Map<string, Offset>();

  run({ kind, producer, count }: Step): void {
    const state = this.#producers.get(producer) ?? { epoch: 0, next: 0, sent: [] };
    this.#producers.set(producer, state);
    if (kind === "commit") this.#commit(count);
    else if (kind === "failover") this.#failover();
    else if (kind === "snapshot") this.#snapshot();
    else if (kind === "epoch") Object.assign(state, { epoch: state.epoch + 1, next: 0, sent: [] });
    else if (kind === "send") {
      const batch = header(producer, state.epoch, state.next, count);
      if (this.#offer(batch) !== "next") return;
      state.next += count;
      state.sent.push(batch);
    } else if (kind === "retry") this.#retry(state.sent.at(-count));
    else if (kind === "gap") assert.equal(this.#offer(header(producer, state.epoch, state.next + count)), "OUT_OF_ORDER_SEQUENCE");
    else if (state.epoch > 0 && state.next > 0) assert.equal(this.#offer(header(producer, state.epoch - 1, 0)), "PRODUCER_FENCED");
  }

  #offer(batch: RecordBatchHeader): string {
    try {
      const { kind } = this.partition.leading.admit(batch);
      if (kind === "next") this.#underWay.push({ batch, pending: this.partition.begin(batch) });
      return kind;
    } catch (error) {
      assert.ok(error instanceof QuireError);
      return error.reason;
    }
  }

  /** One of the last four that were sent in this epoch: it is committed, under way, or was lost with a leader. */
  #retry(batch: RecordBatchHeader | undefined): void {
    if (batch === undefined) return;
    const there = this.#log.get(keyOf(batch));
    const isUnderWay = this.#underWay.some((other) => keyOf(other.batch) === keyOf(batch));
    if (there === undefined && !isUnderWay) {
      assert.notEqual(this.#offer(batch), "written");
      return;
    }
    const admission = this.partition.leading.admit(batch);
    assert.equal(admission.kind, there === undefined ? "pending" : "written");
    if (admission.kind === "written") assert.equal(admission.original.baseOffset, there);
  }

  #commit(count: number): void {
    for (const { batch, pending } of this.#underWay.splice(0, count)) {
      const at = this.partition.commit(batch, pending);
      assert.ok(!this.#log.has(keyOf(batch)), "one entry per producer, epoch and sequence");
      this.#log.set(keyOf(batch), at);
    }
  }

  /** What was under way is lost, from some place on: here all of it. Producers go back to what is in the log. */
  #failover(): void {
    this.#underWay.length = 0;
    this.partition.elect();
    for (const [, state] of this.#producers) {
      const kept = state.sent.filter((batch) => this.#log.has(keyOf(batch)));
      state.sent = kept;
      state.next = kept.reduce((sum, { recordCount }) => sum + recordCount, 0);
    }
  }

  #snapshot(): void {
    const copy = new ProducerTable();
    copy.decode(this.partition.table.encode());
    assert.deepEqual([...copy.entries()], [...this.partition.table.entries()]);
    this.partition.table = copy;
    this.#failover();
  }
}

const keyOf = ({ producerId, producerEpoch, baseSequence }: RecordBatchHeader): string => `${producerId}/${producerEpoch}/${baseSequence}`;

test("property: through any retries, gaps, epochs, failovers and snapshots each sequence is written once, and retries find it", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const model = new Model();
      for (const each of steps) model.run(each);
    }),
    { numRuns: 500 },
  );
});
