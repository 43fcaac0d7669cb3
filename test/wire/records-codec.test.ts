import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageTypeDefinition } from "@grpc/proto-loader";
import fc from "fast-check";
import { QuireError } from "../../src/base/errors.js";
import { walkRecords } from "../../src/base/records-walk.js";
import { loadProto } from "../../src/wire/method.js";
import { publicProtoFiles } from "../../src/wire/proto-root.js";
import { RecordsCursor, RecordsEncoder } from "../../src/wire/records-codec.js";
import { bytes, record, text } from "./message-arbitraries.js";

interface PlainRecord {
  readonly key?: Buffer;
  readonly value?: Buffer;
  readonly headers: readonly { readonly key: string; readonly value: Buffer }[];
  readonly timestampDeltaMs: number;
}
const generated = loadProto(publicProtoFiles)["quire.v1.Records"] as MessageTypeDefinition<{ records: object[] }, { records: PlainRecord[] }>;

const anyRecord: fc.Arbitrary<PlainRecord> = record({
  key: fc.option(bytes, { nil: undefined }),
  value: fc.option(bytes, { nil: undefined }),
  headers: fc.array(record({ key: text, value: bytes }), { maxLength: 3 }),
  timestampDeltaMs: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 45), max: 2 ** 45 }), fc.constant(0)),
}).map(({ key, value, ...rest }) => ({ ...rest, ...(key !== undefined && { key }), ...(value !== undefined && { value }) }));

function encode(records: readonly PlainRecord[], room = 64): Buffer {
  const encoder = new RecordsEncoder(room);
  let grown = 0;
  for (const { key, value, timestampDeltaMs, headers } of records) grown += encoder.append(key, value, timestampDeltaMs, headers);
  const body = encoder.take();
  assert.equal(body.length, grown);
  return body;
}

function decode(body: Buffer): PlainRecord[] {
  const cursor = new RecordsCursor(body);
  const records: PlainRecord[] = [];
  while (cursor.next()) {
    const { key, value, timestampDeltaMs } = cursor;
    records.push({ headers: cursor.headers(), timestampDeltaMs, ...(key && { key }), ...(value && { value }) });
  }
  return records;
}

const plain = (records: readonly PlainRecord[]): PlainRecord[] =>
  records.map(({ key, value, headers, timestampDeltaMs }) => ({
    headers: headers.map((header) => ({ key: header.key, value: header.value })),
    timestampDeltaMs,
    ...(key && { key }),
    ...(value && { value }),
  }));

test("records are written and read as the generated codec does, and the broker's walk counts them", () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 20 }), (records) => {
      const body = encode(records);
      assert.deepEqual(decode(body), records);
      assert.deepEqual(plain(generated.deserialize(body).records), records);
      assert.deepEqual(decode(generated.serialize({ records: [...records] })), records);
      assert.equal(walkRecords(body)?.records, records.length);
    }),
    { numRuns: 300 },
  );
});

test("a string is the same as its UTF-8 bytes", () => {
  fc.assert(
    fc.property(text, text, text, (key, value, header) => {
      const strings = new RecordsEncoder();
      const buffers = new RecordsEncoder();
      strings.append(key, value, 5, [{ key: header, value: header }]);
      buffers.append(Buffer.from(key), Buffer.from(value), 5, [{ key: header, value: Buffer.from(header) }]);
      assert.deepEqual(strings.take(), buffers.take());
    }),
  );
});

test("absent and empty are told apart", () => {
  const body = encode([
    { headers: [], timestampDeltaMs: 0 },
    { key: Buffer.alloc(0), value: Buffer.alloc(0), headers: [], timestampDeltaMs: 0 },
  ]);
  const cursor = new RecordsCursor(body);
  assert.ok(cursor.next());
  assert.deepEqual([cursor.key, cursor.value], [undefined, undefined]);
  assert.ok(cursor.next());
  assert.deepEqual([cursor.key, cursor.value], [Buffer.alloc(0), Buffer.alloc(0)]);
  assert.equal(cursor.next(), false);
});

test("a taken body is not written to again, whether it was copied or handed over", () => {
  for (const room of [8, 100_000]) {
    const encoder = new RecordsEncoder(room);
    encoder.append("k", "first", 0);
    const first = encoder.take();
    const before = Buffer.from(first);
    encoder.append("k", "other", 0);
    const second = encoder.take();
    assert.deepEqual(first, before);
    assert.equal(decode(second)[0]?.value?.toString(), "other");
  }
});

test("damaged records are refused as CORRUPT_BATCH, whatever the damage", () => {
  fc.assert(
    fc.property(
      fc.array(anyRecord, { minLength: 1, maxLength: 5 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.nat(),
      (records, changes, cut) => {
        const body = Buffer.from(encode(records));
        for (const [at, byte] of changes) body[at % body.length] = byte;
        try {
          decode(body.subarray(0, cut % (body.length + 1)));
        } catch (thrown) {
          assert.ok(thrown instanceof QuireError && thrown.reason === "CORRUPT_BATCH", String(thrown));
        }
      },
    ),
    { numRuns: 1_000 },
  );
});
