import assert from "node:assert/strict";
import { test } from "node:test";
import { offset } from "../../../src/base/ids.js";
import { ProducerTable } from "../../../src/broker/producer-table.js";
import { AppliedProducers } from "./applied-producers.js";

interface Batch {
  readonly index: number;
  readonly id: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly at: number;
}

const ALL: readonly Batch[] = [
  { index: 2, id: 7, epoch: 0, sequence: 0, at: 0 },
  { index: 3, id: 7, epoch: 0, sequence: 2, at: 2 },
  { index: 4, id: 8, epoch: 0, sequence: 0, at: 4 },
  { index: 6, id: 7, epoch: 1, sequence: 0, at: 6 },
];

function applied(batches: readonly Batch[]): AppliedProducers {
  const producers = new AppliedProducers();
  for (const { index, id, epoch, sequence, at } of batches) {
    producers.wrote(index, id, epoch, { baseSequence: sequence, recordCount: 2, baseOffset: offset(at) });
    producers.applied(index);
  }
  return producers;
}

function tableOf(batches: readonly Batch[]): ProducerTable {
  const table = new ProducerTable();
  for (const { id, epoch, sequence, at } of batches)
    table.wrote({ producerId: id, producerEpoch: epoch, baseSequence: sequence, recordCount: 2 } as Parameters<ProducerTable["wrote"]>[0], offset(at));
  return table;
}

test("a table that was brought back as it was at any index is as it should be", () => {
  const producers = applied(ALL);
  for (const index of [1, 2, 3, 4, 5, 6]) assert.equal(producers.problemOf(index, tableOf(ALL.filter((batch) => batch.index <= index))), undefined);
});

test("a forgotten producer, an older batch, another offset, a gap and one too many are told", () => {
  const producers = applied(ALL);
  const table = (...at: readonly number[]): ProducerTable => tableOf(at.map((each) => ALL[each] as Batch));
  assert.match(producers.problemOf(4, table(0, 1)) ?? "", /producer 8, .* is there as nobody/);
  assert.match(producers.problemOf(3, table(0)) ?? "", /sequences 2 \+2 at offset 2 last, is there as epoch 0, sequences 0 \+2 at offset 0/);
  assert.match(producers.problemOf(2, tableOf([{ ...(ALL[0] as Batch), at: 1 }])) ?? "", /is there as epoch 0, sequences 0 \+2 at offset 1/);
  assert.match(producers.problemOf(3, tableOf([{ ...(ALL[0] as Batch), at: 9 }, ALL[1] as Batch])) ?? "", /producer 7/);
  assert.match(producers.problemOf(2, table(0, 2)) ?? "", /2 producers, and not 1/);
});

test("who was forgotten must be gone", () => {
  const producers = applied(ALL);
  producers.forgot(7, [8]);
  producers.applied(7);
  assert.equal(producers.problemOf(7, tableOf([ALL[3] as Batch])), undefined);
  assert.match(producers.problemOf(7, tableOf([ALL[2] as Batch, ALL[3] as Batch])) ?? "", /2 producers, and not 1/);
});
