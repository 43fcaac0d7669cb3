import assert from "node:assert/strict";
import { test } from "node:test";
import { KIB } from "../../src/base/limits.js";
import { plainHeader } from "../../src/base/record-batch.js";
import { ReceivedBatch, type ReceivedRecord } from "../../src/client/record.js";
import { bytes } from "../../src/client/serializers.js";
import { RecordsEncoder } from "../../src/wire/records-codec.js";

/** Record `at` has `at` for a key, and a value of so many bytes, all `at`. */
function received(valueBytes: readonly number[]): { readonly body: Buffer; readonly records: ReceivedRecord<Uint8Array>[] } {
  const encoder = new RecordsEncoder();
  for (const [at, length] of valueBytes.entries()) encoder.append(String(at), Buffer.alloc(length, at), 0);
  const body = encoder.take();
  const count = valueBytes.length;
  const about = { recordCount: count, baseTimestampMs: 0, maxTimestampMs: 0 };
  const batch = { ...plainHeader(body, about), baseOffset: 0, term: 1, body };
  return { body, records: [...new ReceivedBatch({ topic: "t", partition: 0, from: 0, to: count, highWatermark: count }, batch, body, bytes)] };
}

const SIZES = [0, 1, 100, 4 * KIB - 1, 4 * KIB, 4 * KIB + 1, 70 * KIB, 7, 8 * KIB, 3, ...Array.from({ length: 200 }, (_, at) => (at * 37) % 900)];

for (const [order, arrange] of [
  ["in order", (records: ReceivedRecord<Uint8Array>[]) => records],
  ["backwards", (records: ReceivedRecord<Uint8Array>[]) => records.toReversed()],
] as const) {
  test(`records asked for ${order} are what was sent, and do not change with their batch`, () => {
    const { body, records } = received(SIZES);
    for (const record of arrange(records)) record.detach();
    body.fill(0xff);
    for (const [at, record] of records.entries()) {
      assert.equal(record.key, String(at));
      assert.deepEqual(record.valueBytes, Buffer.alloc(SIZES[at] ?? 0, at));
    }
  });
}

test("a small value that is kept keeps at most 8 KiB of its batch", () => {
  const { records } = received(SIZES);
  for (const [at, record] of records.entries()) {
    const { valueBytes } = record;
    assert.ok(valueBytes !== undefined);
    assert.ok(valueBytes.buffer.byteLength <= Math.max(8 * KIB, valueBytes.length), `value ${at} keeps ${valueBytes.buffer.byteLength} bytes`);
  }
});
