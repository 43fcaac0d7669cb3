import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { walkRecords } from "../../src/base/records-walk.js";
import { RecordsCursor, RecordsEncoder } from "../../src/wire/records-codec.js";

const encode = (values: readonly Uint8Array[]): Buffer => {
  const encoder = new RecordsEncoder();
  for (const value of values) encoder.append(undefined, value, 0);
  return encoder.take();
};

test("a walk finds as many records as were encoded, and the largest of them", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 50 }), (values) => {
      const body = encode(values);
      const cursor = new RecordsCursor(body);
      const sizes: number[] = [];
      while (cursor.next()) sizes.push(cursor.bytes);
      const largestBytes = Math.max(...sizes);
      assert.deepEqual(walkRecords(body), { records: values.length, largestBytes, largest: largestBytes === 0 ? 0 : sizes.indexOf(largestBytes) });
    }),
  );
});

test("a body that is cut off anywhere is shorter or no body, never longer", () => {
  const body = encode([Buffer.alloc(5), Buffer.alloc(200), Buffer.alloc(1)]);
  for (let end = 0; end < body.length; end++) {
    const walk = walkRecords(body.subarray(0, end));
    assert.ok(walk === undefined || walk.records < 3);
  }
});

test("any bytes are walked without harm", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void walkRecords(bytes)));
});

test("unknown fields are stepped over; a known one of another type, groups and field 0 are refused", () => {
  const one = encode([Buffer.from("x")]);
  assert.equal(walkRecords(Buffer.concat([Buffer.from([0x10, 0x96, 0x01]), one]))?.records, 1);
  assert.equal(walkRecords(Buffer.concat([one, Buffer.from([0x1d, 1, 2, 3, 4])]))?.records, 1);
  for (const bytes of [[0x08, 1], [0x0b], [0x02, 0], [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], [0x19, 1]]) {
    assert.equal(walkRecords(Buffer.from(bytes)), undefined);
  }
});
