import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import type { Frame } from "../../../src/base/frame.js";
import { replicaId, replicaSetId } from "../../../src/base/ids.js";
import { decodeFileHeader, encodeFileHeader, encodeGroup, type JournalPart, readFrames, readGroup } from "../../../src/storage/journal/journal-codec.js";
import { frame } from "../../support/frames.js";

const GROUP_BYTES_MAX = 64_000;
const NUMBER_MAX = Number.MAX_SAFE_INTEGER;

const framesOf = fc
  .record({
    first: fc.integer({ min: 1, max: 2 ** 45 }),
    term: fc.integer({ min: 0, max: 2 ** 40 }),
    baseOffset: fc.integer({ min: 0, max: 2 ** 45 }),
    bodies: fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 4 }),
  })
  .map(({ first, term, baseOffset, bodies }): Frame[] =>
    bodies.map((body, i) => frame({ index: first + i, term, baseOffset: baseOffset + i, body: Buffer.from(body) })),
  );

const part: fc.Arbitrary<JournalPart> = fc
  .record({ set: fc.integer({ min: 0, max: NUMBER_MAX }), replica: fc.integer({ min: 1, max: NUMBER_MAX }), frames: framesOf })
  .map(({ set, replica, frames }) => ({ replicaSetId: replicaSetId(set), replicaId: replicaId(replica), frames }));

const group = fc.record({ number: fc.integer({ min: 1, max: NUMBER_MAX }), parts: fc.array(part, { minLength: 1, maxLength: 4 }) });

/** A group between other bytes, as in a file; what was in the memory that it was written to must not matter. */
function encoded({ number, parts, before }: { number: number; parts: readonly JournalPart[]; before: number }): { bytes: Buffer; end: number } {
  const bytes = Buffer.alloc(GROUP_BYTES_MAX, 0xa5);
  const end = before + encodeGroup(bytes.subarray(before), number, parts);
  return { bytes: bytes.subarray(0, end + before), end };
}

const partsIn = (bytes: Buffer, at: number): JournalPart[] | undefined => {
  const extent = readGroup(bytes, at);
  return extent && readFrames(bytes, extent);
};

test("a group is read as it was written, wherever it stands", () => {
  fc.assert(
    fc.property(group, fc.nat({ max: 50 }), ({ number, parts }, before) => {
      const { bytes, end } = encoded({ number, parts, before });
      const extent = readGroup(bytes, before) ?? assert.fail("the group is there");
      assert.deepEqual([extent.group, extent.end], [number, end]);
      assert.deepEqual(
        extent.parts.map(({ replicaSetId: set, replicaId: replica, first, count }) => [set, replica, first, count]),
        parts.map((each) => [each.replicaSetId, each.replicaId, each.frames[0]?.index, each.frames.length]),
      );
      assert.equal(
        extent.parts.reduce((sum, each) => sum + each.bytes, extent.bodyAt),
        end,
      );
      assert.deepEqual(readFrames(bytes, extent), parts);
    }),
  );
});

test("a group with any bit flipped is not read", () => {
  fc.assert(
    fc.property(group, fc.nat(), ({ number, parts }, chance) => {
      const { bytes, end } = encoded({ number, parts, before: 0 });
      const bit = chance % (end * 8);
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      assert.equal(partsIn(bytes, 0), undefined);
    }),
    { numRuns: 1_000 },
  );
});

test("a group cut short anywhere is not read, but its table tells what it was of as soon as that is whole", () => {
  fc.assert(
    fc.property(group, fc.nat(), ({ number, parts }, chance) => {
      const { bytes, end } = encoded({ number, parts, before: 0 });
      const whole = readGroup(bytes, 0) ?? assert.fail("the group is there");
      const cut = bytes.subarray(0, chance % end);
      assert.equal(partsIn(cut, 0), undefined);
      assert.deepEqual(readGroup(cut, 0), cut.length >= whole.bodyAt ? whole : undefined);
    }),
    { numRuns: 500 },
  );
});

test("frames in another part's place are not read", () => {
  const [one, other] = [frame({ index: 7, baseOffset: 6, body: "same" }), frame({ index: 8, baseOffset: 7, body: "size" })];
  const record = { replicaSetId: replicaSetId(1), replicaId: replicaId(1) };
  const { bytes, end } = encoded({
    number: 5,
    parts: [
      { ...record, frames: [one] },
      { ...record, frames: [other] },
    ],
    before: 0,
  });
  const extent = readGroup(bytes, 0) ?? assert.fail("the group is there");
  const middle = extent.bodyAt + (extent.parts[0]?.bytes ?? 0);
  const swapped = Buffer.concat([bytes.subarray(0, extent.bodyAt), bytes.subarray(middle, end), bytes.subarray(extent.bodyAt, middle)]);
  assert.equal(partsIn(swapped, 0), undefined);
});

const fileHeader = fc.record({ number: fc.integer({ min: 1, max: NUMBER_MAX }), follows: fc.integer({ min: 0, max: NUMBER_MAX }) }, { noNullPrototype: true });

test("a file's header is read as it was written; with any bit flipped, or cut, it is none", () => {
  fc.assert(
    fc.property(fileHeader, fc.nat(), (header, chance) => {
      const bytes = encodeFileHeader(header);
      assert.deepEqual(decodeFileHeader(Buffer.concat([bytes, Buffer.from("what follows")])), header);
      assert.equal(decodeFileHeader(bytes.subarray(0, chance % bytes.length)), undefined);
      const bit = chance % (bytes.length * 8);
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      assert.equal(decodeFileHeader(bytes), undefined);
    }),
    { numRuns: 500 },
  );
});

test("an intact header of a newer release is told from a bad one", () => {
  const bytes = encodeFileHeader({ number: 3, follows: 2 });
  bytes.writeUInt32LE(2, 4);
  assert.equal(decodeFileHeader(bytes), undefined);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28);
  assert.equal(decodeFileHeader(bytes), "newer");
});
