import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { EntryKind } from "../../src/base/entry-kind.js";
import { logIndex, nodeId, offset, replicaId, term } from "../../src/base/ids.js";
import type { Configuration, Entry } from "../../src/consensus/types.js";
import { decodeConfiguration, encodeConfiguration } from "../../src/replica/configuration-codec.js";
import { frameOf, framesOf } from "../../src/replica/frames.js";
import { entryOf } from "../../src/replica/replicator.js";
import type { Payload } from "../../src/replica/types.js";
import { frames } from "../support/frames.js";
import { batchOf } from "./replica-cluster.js";

const member = (id: number): Configuration["voters"][number] => ({ replicaId: replicaId(id), nodeId: nodeId(id + 10) });
const joint: Configuration = { voters: [1, 2, 3].map(member), w: 2, r: 2, learners: [member(4)], incoming: { voters: [member(4)], w: 1, r: 1 } };
const entry = (index: number, kind: Entry["kind"], payload: Payload | null): Entry<Payload> => ({ index: logIndex(index), term: term(3), kind, payload });

test("a leader's entries get offsets one after the other; only records take any", () => {
  const made = framesOf(
    [
      entry(5, EntryKind.records, batchOf("a", 4)),
      entry(6, EntryKind.noOp, null),
      entry(7, EntryKind.records, batchOf("b", 2)),
      entry(8, EntryKind.noOp, null),
    ],
    offset(10),
  );
  assert.deepEqual(
    made.map((frame) => [frame.index, frame.baseOffset, frame.batch.recordCount]),
    [
      [5, 10, 4],
      [6, 14, 0],
      [7, 14, 2],
      [8, 16, 0],
    ],
  );
  for (const { batch, body } of made) assert.equal(batch.crc32, crc32(body));
});

test("a follower appends the leader's frame as it is, and only at the offset that it bears", () => {
  const [frame] = frames(5, 5, { baseOffset: 4 });
  assert.ok(frame !== undefined);
  assert.equal(frameOf(entryOf(frame), offset(4)), frame);
  assert.throws(() => frameOf(entryOf(frame), offset(3)), { reason: "REPLICA_FAILED", message: /entry 5 of term \d+ begins at offset 4 .* next offset is 3/ });
});

test("a configuration travels as bytes and is seen again on the other side", () => {
  const frame = frameOf({ ...entry(5, EntryKind.configuration, null), configuration: joint }, offset(0));
  assert.deepEqual(entryOf(frame).configuration, joint);
  assert.equal(entryOf(frames(5, 5)[0] ?? frame).configuration, undefined);
  const nobody: Configuration = { voters: [], learners: [], w: 1, r: 1 };
  assert.deepEqual(decodeConfiguration(encodeConfiguration(nobody)), nobody);
});

test("bytes that are no safe configuration are refused as a damaged log", () => {
  const unsafe = [
    "",
    "null",
    '{"v":2}',
    '{"v":1,"voters":[[1,1],[2,2],[3,3]],"w":1,"r":1,"learners":[]}',
    '{"v":1,"voters":[1],"w":1,"r":1,"learners":[]}',
    '{"v":1,"voters":[["a",1]],"w":1,"r":1,"learners":[]}',
    '{"v":1,"voters":[],"w":1,"r":1,"learners":[],"incoming":{"voters":7}}',
  ];
  for (const text of unsafe) assert.throws(() => decodeConfiguration(Buffer.from(text)), { reason: "LOG_CORRUPT" }, text);
});
