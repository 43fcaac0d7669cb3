import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MIB } from "../../src/base/limits.js";
import { decodePeerMessage } from "../../src/rpc/peer-codec.js";
import { PeerOutbox } from "../../src/rpc/peer-outbox.js";
import { appendEnvelope, heartbeatEnvelope } from "./peer-arbitraries.js";

function outbox(bytesMax = 8 * MIB) {
  const written: { readonly message: Buffer; readonly taken: () => void }[] = [];
  return { written, box: new PeerOutbox(bytesMax, (message, taken) => written.push({ message, taken })) };
}

test("a thousand envelopes of one turn leave in one message", () => {
  const { box, written } = outbox();
  for (let round = 0; round < 1_000; round++) assert.ok(box.push(heartbeatEnvelope(round)));
  box.flush();
  assert.equal(written.length, 1);
  assert.equal(decodePeerMessage(written[0]?.message ?? Buffer.alloc(0)).envelopes.length, 1_000);
});

test("messages are about a megabyte, two megabytes are under way, and the rest waits until the connection took them", () => {
  const { box, written } = outbox();
  for (let round = 0; round < 60; round++) assert.ok(box.push(appendEnvelope(100_000, round)));
  box.flush();
  assert.equal(written.length, 3);
  for (const { message } of written) assert.ok(message.length > 0.9 * MIB && message.length <= MIB, `${message.length} bytes`);
  box.flush();
  assert.equal(written.length, 3, "nothing was taken yet");
  for (let at = 0; at < written.length; at++) written[at]?.taken();
  assert.equal(box.bytes, 0);
  const rounds = written
    .flatMap(({ message }) => decodePeerMessage(message).envelopes)
    .map((envelope) => ("message" in envelope && "round" in envelope.message ? envelope.message.round : -1));
  assert.deepEqual(
    rounds,
    Array.from({ length: 60 }, (_, at) => at),
  );
});

test("a full outbox refuses, an empty one takes an envelope of any size", () => {
  const { box } = outbox(MIB);
  assert.ok(box.push(appendEnvelope(3 * MIB, 0)));
  assert.equal(box.push(heartbeatEnvelope(1)), false);
  box.clear();
  assert.equal(box.bytes, 0);
  assert.ok(box.push(heartbeatEnvelope(1)));
  assert.ok(box.push(appendEnvelope(MIB / 2, 2)));
  assert.equal(box.push(appendEnvelope(MIB / 2, 3)), false);
});

test("what was sent is let go, even when something always waits behind it", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { box, written } = outbox();
  const sent: WeakRef<object>[] = [];
  for (let round = 0; round < 40; round++) {
    const envelope = appendEnvelope(100_000, round);
    sent.push(new WeakRef(envelope));
    assert.ok(box.push(envelope));
  }
  box.flush();
  assert.equal(written.length, 3);
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  assert.deepEqual([sent[0]?.deref(), sent[39]?.deref() === undefined], [undefined, false]);
});
