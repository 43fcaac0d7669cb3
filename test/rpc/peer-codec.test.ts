import assert from "node:assert/strict";
import { test } from "node:test";
import type { MethodDefinition } from "@grpc/proto-loader";
import fc from "fast-check";
import { QuireError } from "../../src/base/errors.js";
import { replicaSetId, term } from "../../src/base/ids.js";
import { limits, MIB } from "../../src/base/limits.js";
import type { ReplicaEnvelope } from "../../src/replica/types.js";
import { decodePeerMessage, encodePeerMessage, parcelsOf } from "../../src/rpc/peer-codec.js";
import type { SnapshotPart } from "../../src/rpc/peer-envelope-codec.js";
import { SnapshotAssembler } from "../../src/rpc/peer-snapshots.js";
import { loadProto } from "../../src/wire/method.js";
import { MalformedError } from "../../src/wire/reader.js";
import { record } from "../wire/message-arbitraries.js";
import { appendEnvelope, envelope, snapshotEnvelope } from "./peer-arbitraries.js";

const definitions = loadProto(["quire/internal/v1/peer.proto"])["quire.internal.v1.PeerService"] as Record<string, MethodDefinition<object, object>>;
const control = definitions["Control"] as MethodDefinition<object, object>;
/** What generated code makes of the bytes after reading them: the same message in its own words. */
const rewritten = (bytes: Buffer): Buffer => control.requestSerialize(control.requestDeserialize(bytes));

const encodeAll = (envelopes: readonly ReplicaEnvelope[]): Buffer => encodePeerMessage({ parcels: envelopes.flatMap(parcelsOf) });

const hello = record({
  protocolVersion: fc.nat(),
  clusterId: fc.string(),
  nodeId: fc.nat(),
  incarnation: fc.string(),
  toNodeId: fc.nat(),
});
const leaderships = record({
  full: fc.boolean(),
  leaderships: fc.array(record({ replicaSetId: fc.maxSafeNat().map(replicaSetId), term: fc.maxSafeNat().map(term), leads: fc.boolean() }), { maxLength: 5 }),
});

test("envelopes arrive as they were sent, also when generated code passed them on", () => {
  fc.assert(
    fc.property(fc.array(envelope, { maxLength: 4 }), (envelopes) => {
      const bytes = encodeAll(envelopes);
      assert.deepEqual(decodePeerMessage(bytes).envelopes, envelopes);
      assert.deepEqual(decodePeerMessage(rewritten(bytes)).envelopes, envelopes);
    }),
    { numRuns: 300 },
  );
});

test("hellos, leaderships and room arrive as they were sent, also when generated code passed them on", () => {
  fc.assert(
    fc.property(hello, leaderships, fc.constantFrom("enough", "low", "none"), (first, second, diskRoom) => {
      const bytes = encodePeerMessage({ hello: first, leaderships: second, diskRoom });
      for (const each of [bytes, rewritten(bytes)]) {
        assert.deepEqual(decodePeerMessage(each), { hello: first, envelopes: [], leaderships: second, diskRoom });
      }
    }),
  );
});

test("damaged messages are decoded or refused, never worse", () => {
  fc.assert(
    fc.property(
      fc.array(envelope, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.nat(),
      (envelopes, changes, cut) => {
        const bytes = encodeAll(envelopes);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        try {
          decodePeerMessage(bytes.subarray(0, cut % (bytes.length + 1)));
        } catch (thrown) {
          assert.ok(thrown instanceof MalformedError || thrown instanceof QuireError, String(thrown));
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test("a frame with a flipped bit is refused, wherever the bit is", () => {
  const whole = encodeAll([appendEnvelope(50, 1)]);
  const frameStart = whole.indexOf("QFRM");
  for (let at = frameStart; at < whole.length; at++) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    assert.throws(() => decodePeerMessage(bytes), QuireError, `byte ${at}`);
  }
});

test("an append whose entries do not follow its previous place is refused", () => {
  const { message, ...rest } = appendEnvelope(10, 5);
  assert.ok(message.kind === "append");
  const torn = { ...rest, message: { ...message, previous: { ...message.previous, index: (message.previous.index - 1) as never } } };
  assert.throws(() => decodePeerMessage(encodeAll([torn])), MalformedError);
});

test("a snapshot up to half a message travels whole, a larger one in parts of 1 MiB, and both come out as they were", () => {
  const half = limits.peerMessageBytes / 2;
  for (const [stateBytes, parts] of [
    [0, 1],
    [1_000, 1],
    [half, 1],
    [half + 1, half / MIB + 1],
  ] as const) {
    const original = snapshotEnvelope(stateBytes);
    const parcels = parcelsOf(original);
    assert.equal(parcels.length, parts);
    const assembler = new SnapshotAssembler();
    const received = parcels.map((parcel) => {
      const [part] = decodePeerMessage(encodePeerMessage({ parcels: [parcel] })).envelopes;
      return assembler.accept(part as SnapshotPart);
    });
    assert.deepEqual(received.slice(0, -1), Array(parts - 1).fill(undefined));
    assert.deepEqual(received.at(-1), original);
  }
});

test("a newer snapshot of the same replica set replaces an unfinished one, and parts out of order are refused", () => {
  const parts = (set: number) =>
    parcelsOf(snapshotEnvelope(5 * MIB, set)).map((parcel) => decodePeerMessage(encodePeerMessage({ parcels: [parcel] })).envelopes[0] as SnapshotPart);
  const [first, second, third] = parts(7) as [SnapshotPart, SnapshotPart, SnapshotPart];
  const assembler = new SnapshotAssembler();
  for (const part of [first, second, first, second]) assert.equal(assembler.accept(part), undefined);
  assert.throws(() => assembler.accept(second), MalformedError);
  assert.equal(assembler.accept(parts(8)[2] as SnapshotPart), undefined, "of a snapshot whose beginning never came");
  const again = new SnapshotAssembler();
  again.accept(first);
  assert.throws(() => again.accept(third), MalformedError);
});
