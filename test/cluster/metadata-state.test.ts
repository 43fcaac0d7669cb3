import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QuireError } from "../../src/base/errors.js";
import { type LogIndex, METADATA_REPLICA_SET } from "../../src/base/ids.js";
import { limits } from "../../src/base/limits.js";
import { type Command, decodeCommand, encodeCommand } from "../../src/cluster/commands.js";
import { MetadataMachine } from "../../src/cluster/metadata-machine.js";
import { MetadataState, type TopicState } from "../../src/cluster/metadata-state.js";
import { EPOCHS_PER_LIFE } from "../../src/cluster/producer-names.js";
import type { ProducerInfo } from "../../src/cluster/view.js";
import { EntryKind, type Frame } from "../../src/replica/types.js";
import { broker, founding, id, node, settings, spec } from "./examples.js";

const refusal = (reason: string) => (error: unknown) => error instanceof QuireError && error.reason === reason;

const create = (name: string, placements: number[][]): Command => ({
  kind: "create-topic",
  topicId: `id-of-${name}`,
  createdMs: 5,
  spec: {
    ...spec(name, placements.length, placements[0]?.length ?? 1),
    writeQuorum: Math.min(2, placements[0]?.length ?? 1),
    readQuorum: Math.min(2, placements[0]?.length ?? 1),
  },
  placements: placements.map((nodes) => nodes.map(node)),
});

test("the state begins with the founders as brokers and as voters of the metadata", () => {
  const state = new MetadataState(founding(1, 2, 3));
  assert.deepEqual([...state.brokers.keys()], [1, 2, 3]);
  assert.deepEqual(state.wanted(METADATA_REPLICA_SET), {
    voters: [1, 2, 3].map((n) => ({ replicaId: n, nodeId: n })),
    w: 2,
    r: 2,
    learners: [],
  });
});

test("a late broker becomes a learner of the metadata with an id of its own, the same each time it asks", () => {
  const state = new MetadataState(founding(1, 2, 3));
  const first = state.apply({ kind: "register-broker", broker: broker(7) });
  const again = state.apply({ kind: "register-broker", broker: { ...broker(7), address: "moved:1" } });
  assert.deepEqual(first.result, { metadataReplicaId: 4 });
  assert.deepEqual(again.result, first.result);
  assert.equal(state.brokers.get(node(7))?.address, "moved:1");
  assert.deepEqual(state.wanted(METADATA_REPLICA_SET)?.learners, [{ replicaId: 4, nodeId: 7 }]);
});

test("a wiped broker gets new replica ids everywhere in one step, and its former disk may never come back", () => {
  const state = new MetadataState(founding(1, 2, 3));
  const created = state.apply(
    create("orders", [
      [1, 2, 3],
      [2, 3, 1],
    ]),
  ).result as TopicState;
  const { result, change } = state.apply({ kind: "register-broker", broker: broker(2, "new-disk") });
  const former = new Set(created.assignments.flatMap((partition) => partition.replicas.map((replica) => replica.replicaId)));
  for (const partition of state.topics.get("orders")?.assignments ?? []) {
    const at = partition.replicas.findIndex((replica) => replica.nodeId === node(2));
    const replica = partition.replicas[at];
    assert.ok(replica !== undefined && !former.has(replica.replicaId), "a new id at the same place");
    assert.equal(at, partition.partition === 0 ? 1 : 0, "the preferred leader stays the preferred leader");
    assert.deepEqual(partition.initial, created.assignments[partition.partition]?.initial, "how the set began never changes");
  }
  assert.deepEqual(result, { metadataReplicaId: state.wanted(METADATA_REPLICA_SET)?.voters.find((voter) => voter.nodeId === node(2))?.replicaId });
  assert.deepEqual(change.replicaSets, [0, 1, 2]);
  assert.ok(state.isRetired("disk-2"));
  assert.throws(() => state.apply({ kind: "register-broker", broker: broker(2) }), refusal("CLUSTER_MISMATCH"));
  assert.throws(() => state.apply({ kind: "register-broker", broker: broker(9, "disk-2") }), refusal("CLUSTER_MISMATCH"));
});

test("a deleted set is known to be deleted, one not heard of yet is not", () => {
  const state = new MetadataState(founding(1, 2, 3));
  assert.equal(state.isDeleted(id(1)), false);
  state.apply(create("orders", [[1, 2, 3]]));
  assert.equal(state.isDeleted(id(1)), false);
  state.apply({ kind: "delete-topic", name: "orders" });
  assert.equal(state.isDeleted(id(1)), true);
  assert.equal(state.isDeleted(id(2)), false);
  assert.equal(state.isDeleted(METADATA_REPLICA_SET), false);
  const again = state.apply(create("orders", [[1, 2, 3]])).result as TopicState;
  assert.equal(again.assignments[0]?.replicaSetId, 2, "ids are never used again");
});

test("of two racing commands the second is refused, with values that say why", () => {
  const state = new MetadataState(founding(1, 2, 3));
  const { topicId } = state.apply(create("orders", [[1, 2, 3]])).result as TopicState;
  assert.throws(
    () => state.apply(create("orders", [[1, 2, 3]])),
    (error) => error instanceof QuireError && error.reason === "TOPIC_ALREADY_EXISTS" && error.details["asRequested"] === "true",
  );
  const grow: Command = { kind: "update-topic", name: "orders", topicId, partitionsBefore: 1, added: [[node(1), node(2), node(3)]] };
  state.apply(grow);
  assert.throws(() => state.apply(grow), refusal("CONFLICT"));
  assert.throws(() => state.apply({ ...grow, topicId: "another", added: [] }), refusal("CONFLICT"));
  assert.throws(() => state.apply({ ...grow, partitionsBefore: 2, added: [], writeQuorum: 1 }), refusal("INVALID_QUORUM"));
  assert.throws(() => state.apply({ kind: "delete-topic", name: "nothing" }), refusal("TOPIC_NOT_FOUND"));
  assert.throws(() => state.apply(create("elsewhere", [[1, 2, 9]])), refusal("CONFLICT"));
  assert.throws(() => state.apply(create("twice", [[1, 2, 2]])), refusal("CONFLICT"));
});

test("W and R of a topic change for all partitions, and the beginning of each set is kept", () => {
  const state = new MetadataState(founding(1, 2, 3));
  const { topicId } = state.apply(create("orders", [[1, 2, 3]])).result as TopicState;
  state.apply({
    kind: "update-topic",
    name: "orders",
    topicId,
    partitionsBefore: 1,
    added: [[3, 1, 2].map(node)],
    writeQuorum: 3,
    settings: { retentionMs: 60_000 },
  });
  const topic = state.topics.get("orders");
  assert.deepEqual([topic?.version, topic?.partitions, topic?.writeQuorum, topic?.settings.retentionMs], [2, 2, 3, 60_000]);
  assert.deepEqual([state.wanted(id(1))?.w, state.wanted(id(2))?.w], [3, 3]);
  assert.deepEqual(
    topic?.assignments.map((partition) => partition.initial.w),
    [2, 3],
  );
});

test("a command of a newer version halts clearly instead of being skipped", () => {
  assert.deepEqual(decodeCommand(encodeCommand({ kind: "delete-topic", name: "x" })), { kind: "delete-topic", name: "x" });
  assert.throws(() => decodeCommand(Buffer.from('{"version":1,"kind":"paint-topic"}')), refusal("UNSUPPORTED"));
  assert.throws(() => decodeCommand(Buffer.from('{"version":2,"kind":"delete-topic","name":"x"}')), refusal("UNSUPPORTED"));
});

test("a snapshot of another cluster or of a newer format is refused", () => {
  const state = new MetadataState(founding(1));
  const other = { ...founding(1), clusterId: "another" };
  assert.throws(() => state.restore(new MetadataState(other).snapshot()), refusal("CLUSTER_MISMATCH"));
  assert.throws(() => state.restore(Buffer.from('{"version":9}')), refusal("UNSUPPORTED"));
});

test("whoever waits for an outcome gets that of its own entry, also when a later proposal got the same place", () => {
  const machine = new MetadataMachine(founding(1, 2, 3));
  const at = 7 as LogIndex;
  const lost = machine.expect(at);
  const later = machine.expect(at);
  machine.forget(lost);
  machine.apply({ index: at, kind: EntryKind.command, body: encodeCommand({ kind: "delete-topic", name: "none" }) } as Frame);
  assert.equal(lost.outcome, undefined);
  assert.ok(later.outcome !== undefined && "refusal" in later.outcome && later.outcome.refusal.reason === "TOPIC_NOT_FOUND");
});

const nodes = fc.integer({ min: 1, max: 4 });
/** The topics of the property: each has a number of replicas of its own, so that most commands fit. */
const topics = fc.constantFrom({ name: "a", n: 1 }, { name: "b", n: 2 }, { name: "c", n: 3 });
const rowsOf = (n: number): fc.Arbitrary<number[][]> =>
  fc.array(fc.shuffledSubarray([1, 2, 3], { minLength: n, maxLength: n }), { minLength: 1, maxLength: 2 });
const commands: fc.Arbitrary<Command> = fc.oneof(
  fc
    .record({ nodeId: nodes, disk: fc.integer({ min: 1, max: 3 }) })
    .map(({ nodeId, disk }): Command => ({ kind: "register-broker", broker: broker(nodeId, `disk-${nodeId}-${disk}`) })),
  topics.chain(({ name, n }) => rowsOf(n).map((rows) => create(name, rows))),
  topics.chain(({ name, n }) =>
    fc.record({ before: fc.integer({ min: 1, max: 3 }), added: fc.option(rowsOf(n)), w: fc.option(fc.integer({ min: 1, max: 3 })) }).map(
      ({ before, added, w }): Command => ({
        kind: "update-topic",
        name,
        topicId: `id-of-${name}`,
        partitionsBefore: before,
        added: (added ?? []).map((row) => row.map(node)),
        ...(w !== null && { writeQuorum: w }),
        settings: { ...settings, retentionMs: before * 1_000 },
      }),
    ),
  ),
  topics.map(({ name }): Command => ({ kind: "delete-topic", name })),
);

test("replay, or a snapshot anywhere and the rest, give the same state; refusals change nothing; ids are never used twice", () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 25 }), fc.nat(25), (list, cut) => {
      const state = new MetadataState(founding(1, 2, 3));
      let restored = new MetadataState(founding(1, 2, 3));
      const initial = new Map<number, string>();
      const owner = new Map<number, string>();
      list.forEach((command, at) => {
        if (at === cut) {
          const copy = new MetadataState(founding(1, 2, 3));
          copy.restore(restored.snapshot());
          restored = copy;
        }
        const before = state.snapshot();
        try {
          state.apply(decodeCommand(encodeCommand(command)));
        } catch (error) {
          assert.ok(error instanceof QuireError, String(error));
          assert.deepEqual(state.snapshot(), before);
        }
        try {
          restored.apply(command);
        } catch (error) {
          assert.ok(error instanceof QuireError);
        }
        for (const topic of state.topics.values()) {
          for (const partition of topic.assignments) {
            const begun = JSON.stringify(partition.initial);
            assert.equal(initial.get(partition.replicaSetId) ?? begun, begun);
            initial.set(partition.replicaSetId, begun);
            for (const { replicaId, nodeId } of partition.replicas) {
              const now = `${partition.replicaSetId}@${nodeId}@${state.brokers.get(nodeId)?.incarnation}`;
              assert.equal(owner.get(replicaId) ?? now, now, "a replica id belongs to one set on one disk, for ever");
              owner.set(replicaId, now);
            }
          }
        }
      });
      assert.deepEqual([...restored.topics], [...state.topics]);
      assert.deepEqual([...restored.brokers], [...state.brokers]);
      assert.equal(restored.snapshot().toString(), state.snapshot().toString());
    }),
    { numRuns: 300 },
  );
});

test("producer ids are never given out twice; a name keeps its id, and each life of it begins above all epochs of the one before", () => {
  const state = new MetadataState(founding(1, 2, 3));
  const apply = (command: Command) => state.apply(decodeCommand(encodeCommand(command))).result as ProducerInfo;
  const first = apply({ kind: "reserve-producer-ids", count: 1_000 });
  const named = apply({ kind: "init-producer", name: "billing-1" });
  const second = apply({ kind: "reserve-producer-ids", count: 10 });
  const again = apply({ kind: "init-producer", name: "billing-1" });
  assert.deepEqual([first.producerId, named.producerId, second.producerId], [1, 1_001, 1_002]);
  assert.equal(again.producerId, named.producerId);
  assert.equal(again.epoch, named.epoch + named.epochs);
  assert.deepEqual([state.producerEpoch(named.producerId), state.producerEpoch(first.producerId)], [again.epoch, undefined]);
  const copy = new MetadataState(founding(1, 2, 3));
  copy.restore(state.snapshot());
  assert.equal(copy.producerEpoch(named.producerId), again.epoch);
  assert.deepEqual(copy.apply({ kind: "init-producer", name: "billing-1" }).result, { ...again, epoch: again.epoch + again.epochs });
  assert.deepEqual(copy.apply({ kind: "reserve-producer-ids", count: 1 }).result, { producerId: 1_012, epoch: 0, epochs: limits.sequenceMax });
});

test("a snapshot from before there were producers still loads", () => {
  const { producers: _, ...old } = JSON.parse(new MetadataState(founding(1, 2, 3)).snapshot().toString()) as Record<string, unknown>;
  const state = new MetadataState(founding(1, 2, 3));
  state.restore(Buffer.from(JSON.stringify(old)));
  assert.equal((state.apply({ kind: "reserve-producer-ids", count: 5 }).result as ProducerInfo).producerId, 1);
});

test("names of producers are bounded, and so are the lives of one", () => {
  const state = new MetadataState(founding(1, 2, 3));
  for (let n = 0; n < limits.namedProducers; n++) state.apply({ kind: "init-producer", name: `p${n}` });
  assert.throws(() => state.apply({ kind: "init-producer", name: "one-more" }), refusal("QUOTA_EXCEEDED"));
  const lives = new MetadataState(founding(1, 2, 3));
  const most = Math.floor(limits.sequenceMax / EPOCHS_PER_LIFE);
  for (let n = 0; n < most; n++) lives.apply({ kind: "init-producer", name: "often" });
  assert.throws(() => lives.apply({ kind: "init-producer", name: "often" }), refusal("QUOTA_EXCEEDED"));
});
