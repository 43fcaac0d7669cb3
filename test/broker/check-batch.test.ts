import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Reason } from "../../src/base/errors.js";
import { checkBatch } from "../../src/broker/check-batch.js";
import type { OfferedBatch } from "../../src/broker/types.js";
import { BASE_TIMESTAMP_MS, batchOf } from "../support/batches.js";
import { refusal } from "../support/refusals.js";

const limits = { recordBytesMax: 100, batchBytesMax: 1_000 };
const good = batchOf(["a", "b", "c"]);

test("a valid batch passes, and what was left out is filled in", () => {
  const { body, ...header } = good;
  assert.deepEqual(checkBatch(good, limits), header);
  const sparse = { ...good, crc32: undefined, uncompressedBytes: 0, maxTimestampMs: 0 };
  assert.deepEqual(checkBatch(sparse, limits), { ...header, uncompressedBytes: body.length, maxTimestampMs: BASE_TIMESTAMP_MS });
});

test("a compressed batch is not looked into", () => {
  const body = gzipSync(good.body);
  const header = checkBatch({ ...good, compression: 1, body, crc32: undefined, recordCount: 77, uncompressedBytes: good.body.length }, limits);
  assert.equal(header.recordCount, 77);
  assert.equal(header.uncompressedBytes, good.body.length);
});

const refused: readonly (readonly [string, Partial<OfferedBatch>, Reason, string])[] = [
  ["too many bytes", { body: Buffer.alloc(1_001) }, "BATCH_TOO_LARGE", "batch.records"],
  ["no bytes", { body: Buffer.alloc(0) }, "CORRUPT_BATCH", "batch.records"],
  ["no records", { recordCount: 0 }, "CORRUPT_BATCH", "batch.record_count"],
  ["fewer records than stated", { recordCount: 4 }, "CORRUPT_BATCH", "batch.record_count"],
  ["more records than stated", { recordCount: 2 }, "CORRUPT_BATCH", "batch.record_count"],
  ["a negative record count", { recordCount: -1 }, "CORRUPT_BATCH", "batch.record_count"],
  ["too many records", { recordCount: 1_000_001 }, "CORRUPT_BATCH", "batch.record_count"],
  ["garbage for a body", { body: Buffer.from("garbage!"), uncompressedBytes: 0 }, "CORRUPT_BATCH", "batch.records"],
  ["a body that is cut off", { body: good.body.subarray(0, -1), uncompressedBytes: 0 }, "CORRUPT_BATCH", "batch.records"],
  ["a wrong checksum", { crc32: 1 }, "CORRUPT_BATCH", "batch.crc32"],
  ["a length that disagrees", { uncompressedBytes: 5 }, "CORRUPT_BATCH", "batch.uncompressed_bytes"],
  ["a compressed batch without its length", { compression: 3, uncompressedBytes: 0 }, "CORRUPT_BATCH", "batch.uncompressed_bytes"],
  ["a compression bomb", { compression: 3, uncompressedBytes: 2 ** 31 - 1 }, "CORRUPT_BATCH", "batch.uncompressed_bytes"],
  ["an unknown compression", { compression: 9 }, "UNSUPPORTED", "batch.compression"],
  ["a negative time", { baseTimestampMs: -1 }, "INVALID_FIELD", "batch.base_timestamp_ms"],
  ["a time no Date can say", { maxTimestampMs: 8.64e15 + 1 }, "INVALID_FIELD", "batch.max_timestamp_ms"],
  ["a largest time before the base", { maxTimestampMs: 5 }, "INVALID_FIELD", "batch.max_timestamp_ms"],
  ["a negative producer id", { producerId: -1 }, "INVALID_FIELD", "batch.producer_id"],
  ["an epoch without a producer", { producerEpoch: 1 }, "INVALID_FIELD", "batch.producer_id"],
  ["a sequence without a producer", { baseSequence: 1 }, "INVALID_FIELD", "batch.producer_id"],
  ["a negative epoch", { producerId: 1, producerEpoch: -1 }, "INVALID_FIELD", "batch.producer_epoch"],
  ["a negative sequence", { producerId: 1, baseSequence: -1 }, "INVALID_FIELD", "batch.base_sequence"],
  ["a negative priority", { priority: -1 }, "INVALID_FIELD", "batch.priority"],
  ["a priority beyond the lanes", { priority: 256 }, "INVALID_FIELD", "batch.priority"],
];

for (const [what, change, reason, field] of refused) {
  test(`${what} is refused`, async () => {
    const error = await refusal(reason, () => checkBatch({ ...good, ...change }, limits));
    assert.equal(error.fields[0]?.field, field);
  });
}

test("a record above the limit is refused with its size", async () => {
  const error = await refusal("RECORD_TOO_LARGE", () => checkBatch(batchOf(["a", "x".repeat(101)]), limits));
  assert.deepEqual(error.details, { bytes: 103, limit: 100 });
});

test("a sequence ends at 2^31 - 1", async () => {
  const numbered = { ...good, producerId: 7, baseSequence: 0x7fff_ffff - 3 };
  assert.equal(checkBatch(numbered, limits).baseSequence, 0x7fff_ffff - 3);
  const error = await refusal("INVALID_FIELD", () => checkBatch({ ...numbered, baseSequence: 0x7fff_ffff - 2 }, limits));
  assert.equal(error.fields[0]?.field, "batch.base_sequence");
});
