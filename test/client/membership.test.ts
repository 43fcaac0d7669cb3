import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { connectWith } from "../../src/client/connect.js";
import { inlineHost } from "../../src/client/consume/membership-host.js";
import type { MembershipHosting, StartMembershipHost } from "../../src/client/consume/membership-messages.js";
import { connect, type Quire, text } from "../../src/client/index.js";
import { systemPorts } from "../../src/client/ports.js";
import type { FakeCluster } from "../support/fake-cluster.js";
import { connected, until } from "./harness.js";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const never = (): Promise<void> => new Promise(() => {});

async function withTopic(context: Parameters<typeof connected>[0], records = 1): Promise<{ cluster: FakeCluster; quire: Quire }> {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  for (let at = 0; at < records; at++) await quire.topic<string>("t", { serializer: text }).send(String(at));
  return { cluster, quire };
}

test("asks any broker, follows it to the coordinator, and to the next one when that has moved; nothing that is held is disturbed", async (context) => {
  const { cluster, quire } = await withTopic(context);
  let seen = 0;
  const consumer = await quire.topic("t").consume("g", () => ++seen);
  await until(() => cluster.groups.committed("g", "t/0") === 1, "it is at work");
  const [{ generation: before = 0 } = {}] = cluster.groups.group("g").owners.values();
  for (const nodeId of [2, 3, 1]) {
    const { length } = cluster.groups.entered;
    cluster.groups.moveCoordinator(nodeId);
    await until(() => cluster.groups.entered.length > length, "it has entered there");
  }
  const last = cluster.groups.entered.at(-1);
  assert.deepEqual(last?.holding, [{ topic: "t", partition: 0, generation: before }]);
  await quire.topic("t").send("more");
  await until(() => cluster.groups.committed("g", "t/0") === 2, "it goes on");
  assert.equal([...cluster.groups.group("g").owners.values()][0]?.generation, before);
  assert.equal(seen, 2);
  await consumer.close();
});

test("a broken stream is opened again with what is held; heartbeats flow", async (context) => {
  const { cluster, quire } = await withTopic(context);
  const consumer = await quire.topic("t").consume("g", () => {});
  await until(() => (cluster.groups.group("g").members.get(consumer.memberId)?.heartbeats ?? 0) > 2, "heartbeats arrive");
  await until(() => cluster.groups.group("g").members.get(consumer.memberId)?.holding.size === 1, "it says what it holds");
  cluster.broker(1).proxy.drop();
  await until(() => cluster.groups.entered.length === 2, "it has entered again");
  assert.equal(cluster.groups.entered[1]?.holding.length, 1);
  await consumer.close();
});

test("what a busy consumer has not heard of yet is held: the next coordinator shall not take it for given back", async (context) => {
  const cluster = await withFakes(context);
  const late: (() => void)[] = [];
  let isBusy = true;
  const startMembershipHost: StartMembershipHost = (heard) =>
    inlineHost(systemPorts)(
      (message) => {
        if (isBusy && message.say === "assignment") late.push(() => heard(message));
        else heard(message);
      },
      () => {},
    );
  await using quire = await connectWith({ brokers: cluster.addresses }, { ...systemPorts, startMembershipHost });
  const consumer = await quire.topic("t").consume("g", () => {});
  await until(() => late.length === 1, "it is told of its partition");
  cluster.groups.moveCoordinator(2);
  await until(() => cluster.groups.entered.at(-1)?.holding.length === 1, "it has entered there, with what it will work on");
  isBusy = false;
  for (const hear of late) hear();
  await until(() => consumer.assignment().length === 1, "it has heard");
  await until(() => cluster.groups.group("g").members.get(consumer.memberId)?.holding.size === 1, "it says what it holds");
  await consumer.close();
});

test("fenced after a silence: everything is dropped, and it enters anew", async (context) => {
  const { cluster, quire } = await withTopic(context, 3);
  const seen: number[] = [];
  let stopped = 0;
  const consumer = await quire.topic("t").consume("g", async ({ offset }, { signal }) => {
    seen.push(offset);
    if (offset !== 1 || seen.length > 2) return;
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    stopped += 1;
  });
  await until(() => cluster.groups.committed("g", "t/0") === 1 && seen.length === 2, "the second is under way");
  cluster.groups.fence("g", consumer.memberId);
  await until(() => cluster.groups.committed("g", "t/0") === 3, "it has begun anew");
  assert.deepEqual([seen, stopped], [[0, 1, 1, 2], 1]);
  assert.deepEqual(cluster.groups.entered[1]?.holding, []);
  await consumer.close();
});

test("an instance that is begun elsewhere ends the consumer with MEMBER_FENCED, and its successor has all it owned", async (context) => {
  const { cluster, quire } = await withTopic(context);
  const former = await quire.topic("t").consume("g", () => {}, { instance: "i-1" });
  const ended = assert.rejects(former.done, { reason: "MEMBER_FENCED" });
  await until(() => former.assignment().length === 1, "it owns the partition");
  const next = await quire.topic("t").consume("g", () => {}, { instance: "i-1" });
  await ended;
  await until(() => next.assignment().length === 1, "the successor has it");
  assert.equal(cluster.groups.group("g").members.size, 1);
  await next.close();
});

test("an instance that was silent for too long enters anew, as long as nobody came in its place", async (context) => {
  const { cluster, quire } = await withTopic(context);
  const consumer = await quire.topic("t").consume("g", () => {}, { instance: "i-1" });
  await until(() => consumer.assignment().length === 1, "it owns the partition");
  cluster.groups.fence("g", consumer.memberId);
  await until(() => cluster.groups.entered.length === 2 && consumer.assignment().length === 1, "it owns it again");
  await consumer.close();
  await consumer.done;
});

test("what the group refuses is told by name; a refusal for the moment is tried again", async (context) => {
  const { cluster, quire } = await withTopic(context);
  const topic = quire.topic("t");
  cluster.groups.onEnter = () => new QuireError("INCONSISTENT_GROUP", "the group's strategy is range");
  await assert.rejects(topic.consume("g", never), { reason: "INCONSISTENT_GROUP" });
  let refusals = 3;
  cluster.groups.onEnter = () => (refusals-- > 0 ? new QuireError("NOT_READY", "not yet") : undefined);
  await (await topic.consume("g", never)).close({ timeoutMs: 0 });
  await assert.rejects(topic.consume("G!", never), { reason: "INVALID_NAME" });
  await assert.rejects(topic.consume("g", never, { sessionTimeoutMs: 10 }), { reason: "INVALID_SETTING" });
  await assert.rejects(topic.consume("g", never, { form: "latest" } as object), /did you mean from/);
  await assert.rejects(topic.consume("g", undefined as never), { reason: "INVALID_SETTING" });
  await assert.rejects(quire.topic("nowhere").consume("g", never), { reason: "TOPIC_NOT_FOUND" });
  await assert.rejects(quire.consume("g", { topics: ["t"], pattern: "t" } as never, never), { reason: "INVALID_SETTING" });
  cluster.groups.onEnter = () => new QuireError("NOT_READY", "never");
  await assert.rejects(topic.consume("g", never, { signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
  const hasty = await connect({ brokers: cluster.addresses, adminTimeoutMs: 200 });
  await assert.rejects(hasty.topic("t").consume("g", never), { reason: "DEADLINE" });
  await hasty.close();
});

test("a handler that hangs is noticed: the consumer leaves, and done says where", async (context) => {
  const { cluster, quire } = await withTopic(context);
  const consumer = await quire.topic("t").consume("g", never, { progressTimeoutMs: 100 });
  await assert.rejects(consumer.done, (error: QuireError) => {
    assert.deepEqual([error.reason, error.details["topic"], error.details["partition"], error.details["offset"]], ["DEADLINE", "t", 0, 0]);
    return true;
  });
  assert.equal(cluster.groups.group("g").members.size, 0);
});

test("in a thread of its own, a membership outlives a handler that blocks the event loop, and not one that blocks it for too long", async (context) => {
  const cluster = await withFakes(context);
  await using quire = await connect({ brokers: cluster.addresses });
  await quire.topic("t").send("x");
  const block = (ms: number) => (): void => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  const working = await quire.topic("t").consume("g", block(300), { progressTimeoutMs: 5_000 });
  await until(() => cluster.groups.committed("g", "t/0") === 1, "it is done");
  assert.equal(cluster.groups.entered.length, 1, "it was no new member");
  await working.close();
  const hanging = await quire.topic("t").consume("h", block(1_500), { progressTimeoutMs: 200 });
  await assert.rejects(hanging.done, { reason: "DEADLINE" });
  await until(() => cluster.groups.group("h").members.size === 0, "it has left");
});

async function withFakes(context: Parameters<typeof connected>[0]): Promise<FakeCluster> {
  const { cluster } = await connected(context);
  cluster.createTopic("t");
  return cluster;
}

test("when its thread fails, the membership goes on inline, and the log says so", async (context) => {
  const cluster = await withFakes(context);
  let fail: (why: unknown) => void = () => {};
  const warnings: string[] = [];
  const logger = { debug() {}, info() {}, error() {}, warn: (_: object, message: string) => warnings.push(message), child: () => logger };
  const { startMembershipHost: start = assert.fail } = systemPorts;
  const startMembershipHost: StartMembershipHost = (heard, failed) => {
    const host: MembershipHosting = start(heard, failed);
    fail = (why) => {
      host.close();
      failed(why);
    };
    return host;
  };
  await using quire = await connectWith({ brokers: cluster.addresses, logger }, { ...systemPorts, startMembershipHost });
  const consumer = await quire.topic("t").consume("g", () => {});
  await until(() => consumer.assignment().length === 1, "it owns the partition");
  await until(() => cluster.groups.group("g").members.get(consumer.memberId)?.holding.size === 1, "it says what it holds");
  fail(new Error("out of memory"));
  await until(() => cluster.groups.entered.length === 2, "it has entered again");
  assert.deepEqual([cluster.groups.entered[1]?.memberId, cluster.groups.entered[1]?.holding.length, warnings.length], [consumer.memberId, 1, 1]);
  await consumer.close();
});

test("as a loop: asking for the next record says that the one before is done; leaving leaves the group", async (context) => {
  const { cluster, quire } = await withTopic(context, 5);
  const topic = quire.topic<string>("t", { serializer: text });
  const seen: string[] = [];
  for await (const record of topic.consumeEach("g")) {
    seen.push(record.value);
    if (seen.length === 3) break;
  }
  assert.deepEqual([seen, cluster.groups.committed("g", "t/0"), cluster.groups.group("g").members.size], [["0", "1", "2"], 2, 0]);
  await assert.rejects(async () => {
    for await (const _ of topic.consumeEach("g")) throw new Error("mine");
  }, /mine/);
  assert.equal(cluster.groups.committed("g", "t/0"), 2);
  const abort = new AbortController();
  await assert.rejects(
    async () => {
      for await (const { value } of topic.consumeEach("g", { signal: abort.signal })) {
        seen.push(value);
        if (value === "4") abort.abort(new Error("enough"));
      }
    },
    { message: "enough" },
  );
  assert.deepEqual(seen.slice(3), ["2", "3", "4"]);
  assert.equal(cluster.groups.committed("g", "t/0"), 5);
  assert.throws(() => topic.consumeEach("g", { commit: "manual" } as never), { reason: "INVALID_SETTING" });
});

test("several topics as one; and closing the client closes its consumers first", async (context) => {
  const { cluster, quire } = await withTopic(context, 2);
  cluster.createTopic("u", 2);
  await quire.topic("u").send({ n: 1 }, { partition: 1 });
  const seen: string[] = [];
  const consumer = await quire.consume("g", { topics: ["t", "u"] }, async ({ partition }, { topic }) => {
    await sleep(20);
    seen.push(`${topic}/${partition}`);
  });
  await until(() => seen.length > 0, "it is at work");
  await quire.close();
  await consumer.done;
  assert.equal(cluster.groups.group("g").members.size, 0);
  assert.equal(cluster.groups.committed("g", "u/1"), 1);
});
