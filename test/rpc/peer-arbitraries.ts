/** Any envelope that a broker may send. */
import fc from "fast-check";
import { EntryKind } from "../../src/base/entry-kind.js";
import type { Frame } from "../../src/base/frame.js";
import { logIndex, nodeId, offset, replicaId, replicaSetId, term } from "../../src/base/ids.js";
import { plainHeader } from "../../src/base/record-batch.js";
import { encodeConfiguration } from "../../src/replica/configuration-codec.js";
import type { Configuration, ReplicaEnvelope } from "../../src/replica/types.js";
import { record } from "../wire/message-arbitraries.js";

type Message = ReplicaEnvelope["message"];

const natural = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 127, 128, 2 ** 32, 2 ** 40));
const someTerm = natural.map(term);
const someIndex = natural.map(logIndex);
const position = record({ index: someIndex, term: someTerm });
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));

const configuration: fc.Arbitrary<Configuration> = fc.tuple(fc.integer({ min: 1, max: 7 }), fc.boolean()).map(([n, isJoint]) => {
  const voters = Array.from({ length: n }, (_, at) => ({ replicaId: replicaId(at + 1), nodeId: nodeId(at + 1) }));
  const set = { voters, w: n, r: n };
  return { ...set, learners: [{ replicaId: replicaId(99), nodeId: nodeId(9) }], ...(isJoint && { incoming: set }) };
});

/** A frame without its place; the append gives it one. */
const frame = record({
  kind: fc.constantFrom(...Object.values(EntryKind)),
  records: fc.integer({ min: 1, max: 1_000 }),
  timestamp: fc.integer({ min: 0, max: 2 ** 45 }),
  body: bytes,
  configuration,
});

const append: fc.Arbitrary<Message> = fc
  .tuple(fc.nat(1_000_000), fc.nat(1_000), fc.nat(), someIndex, fc.array(frame, { maxLength: 4 }))
  .map(([first, termOf, round, commit, frames]) => {
    const entries = frames.map((item, at) => {
      const isConfiguration = item.kind === EntryKind.configuration;
      const body = isConfiguration ? encodeConfiguration(item.configuration) : item.body;
      const payload: Frame = {
        index: logIndex(first + at + 1),
        term: term(termOf),
        kind: item.kind,
        baseOffset: offset(first),
        batch: plainHeader(body, {
          recordCount: item.kind === EntryKind.records ? item.records : 0,
          baseTimestampMs: item.timestamp,
          maxTimestampMs: item.timestamp,
        }),
        body,
      };
      const entry = { index: payload.index, term: payload.term, kind: item.kind, payload };
      return isConfiguration ? { ...entry, configuration: item.configuration } : entry;
    });
    return { kind: "append", term: term(termOf), previous: { index: logIndex(first), term: term(termOf) }, commit, round, entries };
  });

const message: fc.Arbitrary<Message> = fc.oneof(
  { arbitrary: append, weight: 4 },
  record({ kind: fc.constant("pre-vote" as const), term: someTerm, last: position }),
  record({ kind: fc.constantFrom("pre-vote-reply" as const, "vote-reply" as const), term: someTerm, granted: fc.boolean() }),
  record({ kind: fc.constant("vote" as const), term: someTerm, last: position, transfer: fc.boolean() }),
  record({ kind: fc.constant("append-reply" as const), term: someTerm, match: someIndex, round: natural }),
  record({
    kind: fc.constant("append-reply" as const),
    term: someTerm,
    match: someIndex,
    round: natural,
    rejected: record({ previous: someIndex, hint: position }),
  }),
  record({ kind: fc.constant("heartbeat" as const), term: someTerm, commit: someIndex, round: natural, quiesce: fc.boolean() }),
  record({ kind: fc.constant("heartbeat-reply" as const), term: someTerm, round: natural }),
  record({ kind: fc.constant("timeout-now" as const), term: someTerm }),
  record({ kind: fc.constant("tail-query" as const), term: someTerm, nonce: natural }),
  record({
    kind: fc.constant("tail-reply" as const),
    term: someTerm,
    nonce: natural,
    last: position,
    configuration,
    log: fc.constantFrom("whole" as const, "torn" as const, "damaged" as const),
  }),
);

export const envelope: fc.Arbitrary<ReplicaEnvelope> = record({
  replicaSetId: natural.map(replicaSetId),
  from: natural.map(replicaId),
  to: natural.map(replicaId),
  message,
});

export const snapshotEnvelope = (stateBytes: number, set = 7): ReplicaEnvelope => ({
  replicaSetId: replicaSetId(set),
  from: replicaId(1),
  to: replicaId(2),
  message: {
    kind: "snapshot",
    term: term(3),
    snapshot: { index: logIndex(10), term: term(2), configuration: { voters: [{ replicaId: replicaId(1), nodeId: nodeId(1) }], w: 1, r: 1, learners: [] } },
    state: { nextOffset: offset(55), state: Buffer.from(Uint8Array.from({ length: stateBytes }, (_, at) => at * 31)) },
  },
});

export const heartbeatEnvelope = (round: number, set = 1): ReplicaEnvelope => ({
  replicaSetId: replicaSetId(set),
  from: replicaId(1),
  to: replicaId(2),
  message: { kind: "heartbeat", term: term(1), commit: logIndex(0), round, quiesce: false },
});

export function appendEnvelope(bodyBytes: number, round: number): ReplicaEnvelope {
  const body = Buffer.alloc(bodyBytes, round);
  const batch = plainHeader(body, { recordCount: 1, baseTimestampMs: 0, maxTimestampMs: 0 });
  const payload: Frame = { index: logIndex(round + 1), term: term(1), kind: EntryKind.records, baseOffset: offset(round), batch, body };
  return {
    replicaSetId: replicaSetId(1),
    from: replicaId(1),
    to: replicaId(2),
    message: {
      kind: "append",
      term: term(1),
      previous: { index: logIndex(round), term: term(1) },
      commit: logIndex(0),
      round,
      entries: [{ index: payload.index, term: payload.term, kind: payload.kind, payload }],
    },
  };
}
