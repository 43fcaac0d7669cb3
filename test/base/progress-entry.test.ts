import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { offset } from "../../src/base/ids.js";
import { limits } from "../../src/base/limits.js";
import { decodeProgressEntry, encodeProgressEntry, type ProgressLine, progressLineBytes } from "../../src/base/progress-entry.js";
import { refusal } from "../support/refusals.js";

const group = fc.stringMatching(/^[a-z0-9._-]{1,249}$/);
const number = fc.maxSafeNat();
const plain = { noNullPrototype: true } as const;
const line: fc.Arbitrary<ProgressLine> = fc.oneof(
  fc.record({ kind: fc.constant("claim" as const), group, generation: number, since: number }, plain),
  fc.record({ kind: fc.constantFrom("commit" as const, "reset" as const), group, generation: number, offset: number.map(offset) }, plain),
  fc.record({ kind: fc.constant("forget" as const), group, generation: number }, plain),
);

test("an entry of progress is read as it was written", () => {
  fc.assert(
    fc.property(number, fc.array(line, { maxLength: 20 }), (nowMs, lines) => {
      const body = encodeProgressEntry({ nowMs, lines });
      assert.deepEqual(decodeProgressEntry(body), { nowMs, lines });
      assert.equal(
        body.length,
        lines.reduce((sum, each) => sum + progressLineBytes(each), 9),
      );
    }),
  );
});

test("what only a newer version writes is refused, and a torn entry is a broken invariant", async () => {
  const body = encodeProgressEntry({ nowMs: 1, lines: [{ kind: "forget", group: "billing", generation: 1 }] });
  const changed = (at: number, byte: number): Buffer => {
    const copy = Buffer.from(body);
    copy[at] = byte;
    return copy;
  };
  await refusal("UNSUPPORTED", () => decodeProgressEntry(changed(0, 2)));
  await refusal("UNSUPPORTED", () => decodeProgressEntry(changed(9, 5)));
  for (const end of [0, 8, 10, body.length - 1]) assert.throws(() => decodeProgressEntry(body.subarray(0, end)), { name: "InvariantError" });
});

test("the longest name fits, and a longer one is not cut", () => {
  const forget = (name: string): Buffer => encodeProgressEntry({ nowMs: 1, lines: [{ kind: "forget", group: name, generation: 1 }] });
  assert.equal(decodeProgressEntry(forget("a".repeat(limits.topicNameLength))).lines[0]?.group.length, limits.topicNameLength);
  assert.throws(() => forget("a".repeat(256)), { name: "InvariantError" });
});
