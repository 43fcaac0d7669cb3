import assert from "node:assert/strict";
import { test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath as healthProtoPath } from "grpc-health-check";
import { silentLogger } from "../../src/base/silent-logger.js";
import { systemClock, systemRandom } from "../../src/base/system-ports.js";
import { PublicServer } from "../../src/rpc/server.js";
import { createServer } from "../../src/rpc/wide-server.js";
import { dial } from "../../src/wire/grpc-channel.js";
import { refusal } from "../support/refusals.js";
import { type Message, Stream } from "../support/stubs.js";
import { defaultLimits, startEdge } from "./edge-fixture.js";

const healthPackage: Message = grpc.loadPackageDefinition(loadSync(healthProtoPath, { enums: String }));

function healthClient(address: string): { check(service: string): Promise<string>; watch(service: string): Stream; close(): void } {
  const client = new healthPackage.grpc.health.v1.Health(address, grpc.credentials.createInsecure());
  return {
    check: (service) =>
      new Promise((resolve, reject) =>
        client.check({ service }, (error: Error | null, response: Message) => (error ? reject(error) : resolve(response.status))),
      ),
    watch: (service) => new Stream(client.watch({ service })),
    close: () => client.close(),
  };
}

test("health says serving for every service only while the broker is ready", async (context) => {
  const { readiness, server } = await startEdge(context);
  const health = healthClient(server.address);
  context.after(() => health.close());
  const services = ["", "quire.v1.ProduceService", "quire.v1.FetchService", "quire.v1.ClusterService", "quire.v1.AdminService"];
  for (const service of services) assert.equal(await health.check(service), "SERVING");
  const watch = health.watch("quire.v1.ProduceService");
  context.after(() => watch.call.cancel());
  assert.equal((await watch.next()).status, "SERVING");
  readiness.set(false);
  assert.equal((await watch.next()).status, "NOT_SERVING");
  for (const service of services) assert.equal(await health.check(service), "NOT_SERVING");
  readiness.set(true);
  assert.equal(await health.check(""), "SERVING");
  await assert.rejects(health.check("quire.v1.Nothing"), /NOT_FOUND/);
});

/** Reflection as a tool like grpcurl asks it: by the protocol's own fields, decoded by name from what the server itself describes. */
test("reflection names the services and gives the files that describe them", async (context) => {
  const { server } = await startEdge(context);
  const client = new grpc.Client(server.address, grpc.credentials.createInsecure());
  context.after(() => client.close());
  const ask = (request: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const raw = (bytes: Buffer): Buffer => bytes;
      const call = client.makeBidiStreamRequest("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", raw, raw);
      call.on("data", resolve);
      call.on("error", reject);
      call.write(request);
      call.end();
    });
  const field = (number: number, text: string): Buffer => Buffer.from([number * 8 + 2, text.length, ...Buffer.from(text)]);
  const listing = (await ask(field(7, "*"))).toString("latin1");
  for (const service of ["quire.v1.ProduceService", "quire.v1.FetchService", "quire.v1.ClusterService", "quire.v1.AdminService", "grpc.health.v1.Health"]) {
    assert.ok(listing.includes(service), service);
  }
  const file = (await ask(field(4, "quire.v1.AdminService"))).toString("latin1");
  assert.ok(file.includes("CreateTopicRequest") && file.includes("write_quorum"));
});

test("an address that is taken is refused with what to change", async (context) => {
  const { server, view, groups, coordinator, admin, dataPlane, readiness } = await startEdge(context);
  const second = new PublicServer({
    listen: server.address,
    dial,
    createServer,
    view,
    admin,
    dataPlane,
    groups,
    groupsAdmin: groups,
    coordinator,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    limits: defaultLimits,
    readiness,
  });
  const error = await refusal("INVALID_SETTING", () => second.start());
  assert.match(error.message, /listen/);
});

test("a broker that stops ends its streams, says that it does not serve, and refuses what comes", async (context) => {
  const { server, stubs, view, lead } = await startEdge(context);
  view.addTopic("orders");
  lead("orders", 0);
  const subscribe = stubs.open("FetchService.Subscribe");
  subscribe.send({ add: { subscriptionId: 1, topic: "orders", partition: 0, position: { named: 1 } } });
  const watch = stubs.open("ClusterService.WatchMetadata", {});
  await Promise.all([subscribe.next(), watch.next()]);
  const stopping = server.stop(2_000);
  await subscribe.endsWith("SHUTTING_DOWN");
  await watch.endsWith("SHUTTING_DOWN");
  const startMs = Date.now();
  await stopping;
  assert.ok(Date.now() - startMs < 1_500, "nothing was left to wait for");
  await refusal("BROKER_UNREACHABLE", () => stubs.ask("ClusterService.GetMetadata", {}));
});

test("too many calls at a time are refused, and a call whose time is over makes room", async (context) => {
  const { stubs, view, admin } = await startEdge(context, { limits: { unaryCallsMax: 1 }, leaderWaitMsMax: 300 });
  view.addTopic("orders");
  admin.answer = () => new Promise(() => {});
  const hanging = stubs.ask("AdminService.DeleteTopic", { name: "orders" }, { deadlineMs: 600 });
  const ended = refusal("DEADLINE", () => hanging);
  while (admin.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const error = await refusal("THROTTLED", () => stubs.ask("ClusterService.GetMetadata", {}));
  assert.ok(error.retryAfterMs !== undefined);
  await ended;
  await stubs.ask("ClusterService.GetMetadata", {});
});

test("a request that cannot be decoded is refused by name, on every service", async (context) => {
  const { server } = await startEdge(context);
  const client = new grpc.Client(server.address, grpc.credentials.createInsecure());
  context.after(() => client.close());
  const raw = (bytes: Buffer): Buffer => bytes;
  for (const path of ["ProduceService/Append", "FetchService/Fetch", "FetchService/ListOffsets", "ClusterService/GetMetadata", "AdminService/CreateTopic"]) {
    const error = await new Promise<grpc.ServiceError>((resolve, reject) => {
      client.makeUnaryRequest(`/quire.v1.${path}`, raw, raw, Buffer.from([0xa7, 0x06]), (failed) =>
        failed === null ? reject(new Error("answered")) : resolve(failed),
      );
    });
    assert.equal(error.code, grpc.status.INVALID_ARGUMENT, path);
    assert.match(error.details, /cannot be decoded/);
  }
});
