import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OffsetIndex, type Place } from "../../src/storage/offset-index.js";

const entries = fc.array(fc.record({ records: fc.nat(3), bytes: fc.integer({ min: 1, max: 50 }), timestampMs: fc.nat(100) }), { maxLength: 60 });

test("what it finds is at or before what is looked for, and never more than the distance of entries before it", () => {
  fc.assert(
    fc.property(entries, fc.integer({ min: 1, max: 100 }), fc.nat(80), fc.nat(3_000), (made, everyBytes, wanted, cutAt) => {
      const index = new OffsetIndex({ index: 1, offset: 0, position: 64 });
      const places: (Place & { timestampMs: number })[] = [];
      let place: Place = { index: 1, offset: 0, position: 64 };
      let latest = 0;
      for (const { records, bytes, timestampMs } of made) {
        index.offer(place, latest, everyBytes);
        places.push({ ...place, timestampMs });
        latest = Math.max(latest, timestampMs);
        place = { index: place.index + 1, offset: place.offset + records, position: place.position + bytes };
      }
      index.cut(64 + cutAt);
      const saved = new OffsetIndex({ index: 1, offset: 0, position: 64 }, index.upTo(64 + cutAt));
      assert.deepEqual(saved, index);
      const kept = places.filter((each) => each.position < 64 + cutAt);
      const byIndex = index.atOrBeforeIndex(wanted);
      assert.ok(byIndex.index <= Math.max(1, wanted));
      const target = kept.findLast((each) => each.index <= wanted);
      if (target !== undefined) assert.ok(target.position - byIndex.position < everyBytes + 50);
      assert.ok(index.atOrBeforeOffset(wanted).offset <= wanted);
      const from = index.beforeTimestamp(wanted);
      assert.ok(places.every((each) => each.position >= from.position || each.timestampMs < wanted));
    }),
  );
});
