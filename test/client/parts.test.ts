import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QuireError, REASONS, type Reason } from "../../src/base/errors.js";
import { systemRandom } from "../../src/base/system-ports.js";
import { bytes, json, text } from "../../src/client/index.js";
import { MetadataCache } from "../../src/client/metadata-cache.js";
import { type ConnectOptions, resolveOptions } from "../../src/client/options.js";
import { Pace } from "../../src/client/pace.js";
import { Partitioner } from "../../src/client/partitioner.js";
import { retryDelayMs, verdictOnWrite, type WriteFacts } from "../../src/client/retry.js";
import { SendQueue } from "../../src/client/send-queue.js";

const brokers = ["localhost:9701"];

test("options have defaults; what is misspelt or out of bounds is refused with the remedy", () => {
  assert.equal(resolveOptions({ brokers }).deliveryTimeoutMs, 30_000);
  assert.equal(resolveOptions({ brokers: ["[::1]:9701", "[::1]:9701"] }).brokers.length, 1);
  const refused = (options: object, pattern: RegExp): void =>
    assert.throws(
      () => resolveOptions({ brokers, ...options } as ConnectOptions),
      (error: QuireError) => error.reason === "INVALID_SETTING" && pattern.test(error.message),
    );
  refused({ lingerMS: 5 }, /did you mean lingerMs/);
  refused({ lingerMs: -1 }, /0 to 10000/);
  refused({ lingerMs: "5" }, /whole number/);
  refused({ brokers: [] }, /1 to 100/);
  refused({ brokers: ["localhost"] }, /host:port/);
  refused({ brokers: ["localhost:99999"] }, /host:port/);
  refused({ brokers: [7] }, /host:port/);
  refused({ acks: "all" }, /quorum, leader, none/);
  refused({ inFlightBatchesMax: 6 }, /idempotence: false/);
  refused({ acks: "none", idempotence: true }, /acks quorum/);
  refused({ acks: "none", producer: "billing-1" }, /needs idempotence/);
  refused({ idempotence: false, producer: "billing-1" }, /needs idempotence/);
  refused({ idempotence: "yes" }, /true or false/);
  refused({ retryDelayMsMin: 500, retryDelayMsMax: 100 }, /above retryDelayMsMax/);
});

test("every reason has its verdict: certainly not written is sent again, unknown only if duplicates are accepted", () => {
  for (const reason of Object.keys(REASONS) as Reason[]) {
    const error = new QuireError(reason, "x");
    const expected = { never: "reject", refresh: "resend", wait: "resend", idempotent: "resend" }[error.retry];
    const facts = { stamp: undefined, isCurrent: false, outcomeUnknown: false };
    assert.equal(verdictOnWrite(error, { ...facts, retryUnknown: true }), expected, reason);
    assert.equal(verdictOnWrite(error, { ...facts, retryUnknown: false }), error.retry === "idempotent" ? "reject" : expected, reason);
  }
});

test("with a sequence the unknown is sent again in any case; what was lost by a gap is numbered anew unless it may be there", () => {
  const verdict = (reason: Reason, change: Partial<WriteFacts> = {}): string =>
    verdictOnWrite(new QuireError(reason, "x"), { stamp: {}, isCurrent: true, outcomeUnknown: false, retryUnknown: false, ...change });
  assert.equal(verdict("WRITE_OUTCOME_UNKNOWN"), "resend");
  assert.equal(verdict("NOT_LEADER"), "resend");
  assert.equal(verdict("OUT_OF_ORDER_SEQUENCE"), "renumber");
  assert.equal(verdict("OUT_OF_ORDER_SEQUENCE", { outcomeUnknown: true }), "unknown");
  assert.equal(verdict("PRODUCER_FENCED"), "fenced");
  assert.equal(verdict("PRODUCER_FENCED", { isCurrent: false }), "unknown");
  assert.equal(verdict("DUPLICATE_SEQUENCE"), "unknown");
  assert.equal(verdict("RECORD_TOO_LARGE"), "reject");
});

test("property: pauses grow to their bound, and a broker's wish is heeded up to ten times that", () => {
  const bounds = { retryDelayMsMin: 20, retryDelayMsMax: 1_000 };
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.option(fc.integer({ min: 0, max: 100_000 }), { nil: undefined }), (attempt, wish) => {
      const error = wish === undefined ? undefined : new QuireError("THROTTLED", "x", { retryAfterMs: wish });
      const delayMs = retryDelayMs(attempt, bounds, systemRandom, error);
      const ceiling = Math.min(1_000, 20 * 2 ** (attempt - 1));
      assert.ok(delayMs >= Math.max(Math.ceil(ceiling / 2), Math.min(wish ?? 0, 10_000)));
      assert.ok(delayMs <= Math.max(ceiling, Math.min(wish ?? 0, 10_000)));
    }),
  );
});

test("a batch waits to be full where the last one was so soon, twice as long and 5 ms at most; where records come slowly or stop, none waits", () => {
  const pace = new Pace(1_000);
  assert.equal(pace.lingerMs(0), 0);
  pace.took(1_000, 0);
  assert.equal(pace.lingerMs(0), 0, "one batch alone says nothing");
  pace.took(600, 1);
  pace.took(600, 2);
  assert.equal(pace.lingerMs(2), 4);
  assert.equal(pace.lingerMs(7), 4);
  assert.equal(pace.lingerMs(7.5), 0, "what was there in a moment once comes no more");
  pace.took(1_000, 6);
  assert.equal(pace.lingerMs(6), 5);
  pace.took(1_000, 6);
  assert.equal(pace.lingerMs(6), 0, "all at once: what was to come is there");
  pace.took(999, 6);
  pace.took(1, 12);
  assert.equal(pace.lingerMs(12), 0);
});

test("property: a partition is always one of the topic's, the same for a key, and the sticky one changes only once a batch's bytes went there", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 50 }), (key, partitions) => {
      const partitioner = new Partitioner(systemRandom, 1_000, (partition) => partition % 3);
      const chosen = partitioner.choose(key, partitions);
      assert.ok(chosen >= 0 && chosen < partitions);
      assert.equal(partitioner.choose(key, partitions), chosen);
      const sticky = partitioner.choose(undefined, partitions);
      assert.equal(partitioner.choose(undefined, partitions), sticky);
      partitioner.took(999, partitions);
      assert.equal(partitioner.choose(undefined, partitions), sticky);
      partitioner.took(1, partitions);
      const next = partitioner.choose(undefined, partitions);
      assert.ok(next >= 0 && next < partitions);
      assert.equal(next === sticky, partitions === 1);
    }),
  );
});

test("of partitions without a key a slow one gets less, and does not hold up the others; equal ones are used alike", () => {
  const sent = (drainedEach: readonly number[]): number[] => {
    const waiting = drainedEach.map(() => 0);
    const counts = drainedEach.map(() => 0);
    const partitioner = new Partitioner(systemRandom, 1, (partition) => waiting[partition] ?? 0);
    for (let at = 0; at < 6_000; at++) {
      const chosen = partitioner.choose(undefined, drainedEach.length);
      counts[chosen] = (counts[chosen] ?? 0) + 1;
      waiting[chosen] = (waiting[chosen] ?? 0) + 1;
      partitioner.took(1, drainedEach.length);
      if (at % 6 === 5) for (const [partition, drained] of drainedEach.entries()) waiting[partition] = Math.max(0, (waiting[partition] ?? 0) - drained);
    }
    return counts;
  };
  for (const count of sent([1, 1, 1, 1, 1, 1])) assert.ok(count > 850 && count < 1_150, `${count} of 6,000 batches went to one of six`);
  const [slow = 0] = sent([0, 2, 2, 2, 2, 2]);
  // Both choices fall on it once in 25 times.
  assert.ok(slow < 400, `${slow} of 6,000 batches went to the one that takes none`);
});

test("a leader of a lower term never replaces one of a higher; duplicates change nothing", () => {
  const cache = new MetadataCache();
  const told = (leaderNodeId: number, term: number, topicId = "id"): void =>
    cache.applyDelta({
      brokers: [1, 2, 3].map((nodeId) => ({ nodeId, address: `b${nodeId}`, rack: "", alive: true })),
      topics: [{ name: "t", topicId, batchBytesMax: 0, partitions: [{ partition: 0, leaderNodeId, term, replicaNodeIds: [1, 2, 3] }] }],
      deletedTopics: [],
      controllerNodeId: 1,
      partitions: [],
    });
  told(1, 5);
  told(2, 4);
  assert.equal(cache.leader("t", 0)?.address, "b1");
  told(0, 5);
  assert.equal(cache.leader("t", 0)?.address, "b1");
  assert.equal(cache.applyHint("t", 0, { nodeId: 3, term: 6, address: "b3" }), true);
  assert.equal(cache.applyHint("t", 0, { nodeId: 3, term: 6, address: "b3" }), false);
  told(1, 5);
  assert.equal(cache.leader("t", 0)?.address, "b3");
  told(0, 7);
  assert.equal(cache.leader("t", 0), undefined);
  // Made anew under the same name: its terms begin again.
  told(2, 1, "other");
  assert.equal(cache.leader("t", 0)?.address, "b2");
});

test("a delta of single partitions changes those and no others, and says nothing of another topic of that name", () => {
  const cache = new MetadataCache();
  const led = (partition: number, leaderNodeId: number, term: number) => ({ partition, leaderNodeId, term, replicaNodeIds: [1, 2] });
  const brokers = [1, 2].map((nodeId) => ({ nodeId, address: `b${nodeId}`, rack: "", alive: true }));
  const topic = { name: "t", topicId: "id", batchBytesMax: 0, partitions: [led(0, 1, 1), led(1, 1, 1)] };
  const told = { brokers: [], topics: [], deletedTopics: [], controllerNodeId: 1 };
  cache.applySnapshot({ clusterId: "c", controllerNodeId: 1, brokers, topics: [topic], limits: null, answeredByNodeId: 1 });
  cache.applyDelta({ ...told, partitions: [{ topic: "t", topicId: "id", partitions: [led(1, 2, 2)] }] });
  cache.applyDelta({ ...told, partitions: [{ topic: "t", topicId: "former", partitions: [led(0, 2, 9)] }] });
  cache.applyDelta({ ...told, partitions: [{ topic: "unknown", topicId: "id", partitions: [led(0, 2, 9)] }] });
  assert.deepEqual([cache.leader("t", 0)?.address, cache.leader("t", 1)?.address], ["b1", "b2"]);
});

test("a topic that was just learned outlives a snapshot of a broker that does not know it; one that was watched does not", () => {
  const cache = new MetadataCache();
  const topic = { name: "t", topicId: "id", batchBytesMax: 0, partitions: [] };
  const snapshot = (topics: (typeof topic)[]): void =>
    cache.applySnapshot({ clusterId: "c", controllerNodeId: 1, brokers: [], topics, limits: null, answeredByNodeId: 1 });
  cache.learn(topic);
  snapshot([]);
  assert.ok(cache.topic("t"));
  snapshot([topic]);
  snapshot([]);
  assert.equal(cache.topic("t"), undefined);
});

test("waiting sends have their turn in order, once there is room, and not before", () => {
  const queue = new SendQueue(100, 3);
  const told: string[] = [];
  const send = (name: string): void => {
    const admit = (): void => {
      told.push(name);
      queue.add(60);
    };
    queue.wait({ sentMs: 0, admit, refuse: (error) => told.push(`${name} ${error.reason}`) });
  };
  queue.add(120);
  assert.equal(queue.hasRoom, false);
  for (const name of ["a", "b", "c"]) send(name);
  send("d");
  assert.deepEqual(told, ["d BUFFER_FULL"]);
  queue.release(60);
  assert.deepEqual(told, ["d BUFFER_FULL", "a"]);
  assert.equal(queue.hasRoom, false);
  queue.expire(1, () => new QuireError("BUFFER_FULL", "too long"));
  assert.deepEqual(told, ["d BUFFER_FULL", "a", "b BUFFER_FULL", "c BUFFER_FULL"]);
  queue.release(120);
  assert.equal(queue.hasRoom, true);
  queue.wait({ sentMs: 0, admit: () => {}, refuse: () => {} });
  assert.equal(queue.hasRoom, false, "nobody gets before one that waits");
  assert.equal(queue.bytes, 0);
});

test("serializers: JSON by default, bytes and strings as they are, null as no value", () => {
  const through = (value: unknown): unknown => {
    const written = json().serialize(value);
    return json().deserialize(written === undefined ? undefined : Buffer.from(written as string));
  };
  for (const value of [{ a: [1, null, "é"] }, 7, true, "hello", null, []]) assert.deepEqual(through(value), value);
  assert.deepEqual(through(Buffer.from([0xff, 0x00])), Buffer.from([0xff, 0x00]));
  assert.equal(text.deserialize(Buffer.from("123")), "123");
  assert.deepEqual(bytes.deserialize(Buffer.from([1, 2])), Buffer.from([1, 2]));
});
