import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { nodeId } from "../../src/base/ids.js";
import { limits } from "../../src/base/limits.js";
import { refusal } from "../support/refusals.js";
import { startEdge, startPair } from "./edge-fixture.js";

const EPOCHS = 8_192;

/** A controller that counts ids and lives. */
async function startController(context: TestContext) {
  const edge = await startEdge(context);
  let nextId = 1;
  let lives = 0;
  edge.admin.answer = (verb, asked) => {
    if (verb === "initProducer") return { producerId: 5_000, epoch: EPOCHS * lives++, epochs: EPOCHS };
    const producerId = nextId;
    nextId += asked as number;
    return { producerId, epoch: 0, epochs: limits.sequenceMax };
  };
  return edge;
}

test("ids come from one block, each once; the next block when it is used up", async (context) => {
  const { stubs, admin } = await startController(context);
  const answers = await Promise.all(Array.from({ length: limits.producerIdsAtOnce + 5 }, () => stubs.ask("ProduceService.InitProducer", {})));
  assert.equal(new Set(answers.map(({ producerId }) => producerId)).size, answers.length);
  assert.ok(answers.every(({ producerId, epoch, epochs }) => producerId > 0 && epoch === 0 && epochs === limits.sequenceMax));
  assert.deepEqual(admin.calls, [
    ["reserveProducerIds", limits.producerIdsAtOnce],
    ["reserveProducerIds", limits.producerIdsAtOnce],
  ]);
});

test("a block that could not be had is asked for again by the next caller", async (context) => {
  const { stubs, admin } = await startController(context);
  const { answer } = admin;
  admin.answer = () => {
    throw new QuireError("QUORUM_UNAVAILABLE", "not now");
  };
  await refusal("QUORUM_UNAVAILABLE", () => stubs.ask("ProduceService.InitProducer", {}));
  admin.answer = answer;
  assert.equal((await stubs.ask("ProduceService.InitProducer", {})).producerId, 1);
});

test("several ids in a row are the caller's own; a name has one, and begins a new life each time", async (context) => {
  const { stubs } = await startController(context);
  const { producerId } = await stubs.ask("ProduceService.InitProducer", { count: 10 });
  assert.equal((await stubs.ask("ProduceService.InitProducer", {})).producerId, producerId + 10);
  const lives = [];
  for (let n = 0; n < 2; n++) lives.push(await stubs.ask("ProduceService.InitProducer", { name: "billing-1" }));
  assert.deepEqual(lives, [
    { producerId: 5_000, epoch: 0, epochs: EPOCHS },
    { producerId: 5_000, epoch: EPOCHS, epochs: EPOCHS },
  ]);
});

test("wrong names and counts are refused", async (context) => {
  const { stubs, admin } = await startController(context);
  await refusal("INVALID_NAME", () => stubs.ask("ProduceService.InitProducer", { name: "Billing 1" }));
  await refusal("INVALID_NAME", () => stubs.ask("ProduceService.InitProducer", { name: "x".repeat(250) }));
  await refusal("INVALID_FIELD", () => stubs.ask("ProduceService.InitProducer", { count: 1_001 }));
  await refusal("INVALID_FIELD", () => stubs.ask("ProduceService.InitProducer", { count: -1 }));
  await refusal("INVALID_FIELD", () => stubs.ask("ProduceService.InitProducer", { name: "billing-1", count: 2 }));
  assert.deepEqual(admin.calls, []);
});

test("a broker that is not the controller asks it, for ids and for names", async (context) => {
  const { asked, leader } = await startPair(context);
  asked.admin.answer = () => {
    throw new QuireError("NOT_LEADER", "broker 2 is the controller");
  };
  leader.admin.answer = (verb) => (verb === "initProducer" ? { producerId: 9, epoch: 0, epochs: EPOCHS } : { producerId: 100, epoch: 0, epochs: 5 });
  asked.view.controller = nodeId(2);
  assert.equal((await asked.stubs.ask("ProduceService.InitProducer", {})).producerId, 100);
  assert.equal((await asked.stubs.ask("ProduceService.InitProducer", { name: "billing-1" })).producerId, 9);
  assert.deepEqual(leader.admin.calls, [
    ["reserveProducerIds", limits.producerIdsAtOnce],
    ["initProducer", "billing-1"],
  ]);
});
