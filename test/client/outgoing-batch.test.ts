import assert from "node:assert/strict";
import { test } from "node:test";
import { KIB } from "../../src/base/limits.js";
import { type Completion, EncoderPool, OutgoingBatch } from "../../src/client/outgoing-batch.js";
import { unknownOutcome } from "../../src/client/write-errors.js";

const nobody: Completion = { acknowledged: () => {}, rejected: () => {} };
const BATCH_BYTES = 16 * KIB;

/** A full batch of records whose values are all `fill`. */
function filled(pool: EncoderPool, fill: number): OutgoingBatch {
  const batch = new OutgoingBatch(0, { lingersUntilMs: 0, deadlineMs: 1_000 }, 0, pool);
  while (batch.bytes < BATCH_BYTES) batch.add({ key: undefined, value: Buffer.alloc(KIB, fill), headers: [], timestampMs: 0 }, nobody);
  return batch;
}

/** Sends it so many times, and returns its body. */
function sent(batch: OutgoingBatch, attempts: number): Buffer {
  batch.attempts = attempts;
  return batch.message().body;
}

test("an acknowledged batch leaves its memory to the next one, and no more than a batch needs", () => {
  const pool = new EncoderPool(BATCH_BYTES);
  const first = filled(pool, 1);
  const { buffer } = sent(first, 1);
  assert.ok(buffer.byteLength < 1.2 * BATCH_BYTES, `${buffer.byteLength} bytes of memory for a batch of ${first.bytes}`);
  first.acknowledge(0);
  const second = filled(pool, 2);
  const body = sent(second, 1);
  assert.equal(body.buffer, buffer);
  assert.equal(body.length, second.bytes);
  assert.equal(body.includes(1, 100), false);
});

test("a batch under way keeps its memory", () => {
  const pool = new EncoderPool(BATCH_BYTES);
  const body = sent(filled(pool, 1), 1);
  const before = Buffer.from(body);
  sent(filled(pool, 2), 1);
  assert.deepEqual(body, before);
});

test("a batch that was sent twice, or given up, keeps its memory: an attempt may still wait in a stream", () => {
  const acknowledge = (batch: OutgoingBatch): void => batch.acknowledge(0);
  const reject = (batch: OutgoingBatch): void => batch.reject(unknownOutcome({ topic: "t", partition: 0 }, "lost", undefined));
  for (const [attempts, end] of [[2, acknowledge] as const, [1, reject] as const, [2, reject] as const]) {
    const pool = new EncoderPool(BATCH_BYTES);
    const batch = filled(pool, 1);
    const body = sent(batch, attempts);
    const before = Buffer.from(body);
    end(batch);
    sent(filled(pool, 2), 1);
    assert.deepEqual(body, before);
  }
});

test("a batch that is answered twice gives its memory back once", () => {
  const pool = new EncoderPool(BATCH_BYTES);
  const batch = filled(pool, 1);
  sent(batch, 1);
  batch.acknowledge(0);
  batch.acknowledge(0);
  const [second, third] = [filled(pool, 2), filled(pool, 3)];
  assert.notEqual(sent(second, 1).buffer, sent(third, 1).buffer);
});
