import assert from "node:assert/strict";
import { test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { QuireError } from "../../src/base/errors.js";
import { callUnary, openBidi } from "../../src/wire/call.js";
import { type Handlers, loadProto, MalformedRequest } from "../../src/wire/method.js";
import { publicProtoFiles } from "../../src/wire/proto-root.js";
import { refuseMalformed } from "../../src/wire/refuse-malformed.js";
import { adminService, clusterService, type FetchService, fetchService, groupService, produceService } from "../../src/wire/services.js";
import { fromGrpcError, toServiceError } from "../../src/wire/status.js";

test("every method of the .proto files has its definition", () => {
  const definitions = loadProto(publicProtoFiles);
  const ours = {
    ProduceService: produceService,
    FetchService: fetchService,
    GroupService: groupService,
    ClusterService: clusterService,
    AdminService: adminService,
  };
  for (const [name, service] of Object.entries(ours)) {
    assert.deepEqual(Object.keys(service).sort(), Object.keys(definitions[`quire.v1.${name}`] ?? {}).sort());
  }
});

test("messages without a hand codec have the shape their types say", () => {
  const { ListOffsets } = fetchService;
  const request = ListOffsets.requestDeserialize(
    ListOffsets.requestSerialize({ queries: [{ topic: "t", position: { offset: 0 } }, { position: { named: 9 } }, {}] }),
  );
  assert.deepEqual(request, {
    queries: [
      { topic: "t", partition: 0, position: { position: "offset", offset: 0 } },
      { topic: "", partition: 0, position: { position: "named", named: 9 } },
      { topic: "", partition: 0, position: null },
    ],
  });
  const { Append } = produceService;
  const append = Append.requestDeserialize(Append.requestSerialize({ records: [{ key: Buffer.alloc(0) }, {}] }));
  assert.deepEqual(
    append.records.map((record) => [record.key, record.value, record.timestampMs]),
    [
      [Buffer.alloc(0), undefined, undefined],
      [undefined, undefined, undefined],
    ],
  );
  const { WatchMetadata } = clusterService;
  const change = WatchMetadata.responseDeserialize(WatchMetadata.responseSerialize({ change: "heartbeat", heartbeat: {} }));
  assert.deepEqual(change, { change: "heartbeat", heartbeat: {} });
});

test("an int64 beyond 2^53 in a generated message is refused with the field's path", () => {
  // before_offset = 2^53: a number that was rounded would look like it.
  const request = adminService.TrimRecords.requestDeserialize(Buffer.from("188080808080808010", "hex")) as unknown;
  assert.ok(request instanceof MalformedRequest);
  assert.equal(request.error.reason, "INVALID_FIELD");
  assert.equal(request.error.fields[0]?.field, "beforeOffset");
});

test("a double with a fraction is as exact as it was sent", () => {
  const { FetchOffsets } = groupService;
  const response = FetchOffsets.responseDeserialize(FetchOffsets.responseSerialize({ answers: [{ offset: 0, recordsPerSecond: 0.3 }] }));
  assert.deepEqual([response.answers[0]?.offset, response.answers[0]?.recordsPerSecond], [0, 0.3]);
});

async function withServer(run: (client: grpc.Client) => Promise<void>): Promise<void> {
  const server = new grpc.Server({ interceptors: [refuseMalformed] });
  const handlers: Handlers<FetchService> = {
    Fetch: (call, done) => {
      if (call.request.topic === "missing") done(toServiceError(new QuireError("TOPIC_NOT_FOUND", "no topic missing", { details: { topic: "missing" } })));
      else if (call.request.topic !== "never") done(null, { highWatermark: call.request.offset });
    },
    Subscribe: (call) => {
      call.on("data", (request) => call.write({ caughtUp: { subscriptionId: request.step === "credit" ? request.credit.totalBytes : 0 } }));
      call.on("end", () => call.end());
    },
    ListOffsets: (_call, done) => done(null, { answers: [] }),
  };
  server.addService(fetchService, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  try {
    await run(client);
  } finally {
    client.close();
    server.forceShutdown();
  }
}

const reasonIs = (reason: string) => (thrown: unknown) => thrown instanceof QuireError && thrown.reason === reason;

test("unary calls answer, refuse with details, and end at their deadline or when aborted", () =>
  withServer(async (client) => {
    assert.equal((await callUnary(client, fetchService.Fetch, { topic: "t", offset: 42 })).highWatermark, 42);
    await assert.rejects(
      callUnary(client, fetchService.Fetch, { topic: "missing" }),
      (thrown) => reasonIs("TOPIC_NOT_FOUND")(thrown) && thrown instanceof QuireError && thrown.details["topic"] === "missing",
    );
    await assert.rejects(callUnary(client, fetchService.Fetch, { topic: "never" }, { deadline: Date.now() + 30 }), reasonIs("DEADLINE"));
    const abort = new AbortController();
    const call = callUnary(client, fetchService.Fetch, { topic: "never" }, { signal: abort.signal });
    abort.abort();
    await assert.rejects(call, reasonIs("CANCELLED"));
    await assert.rejects(callUnary(client, fetchService.Fetch, { topic: "never" }, { signal: AbortSignal.abort() }), reasonIs("CANCELLED"));
    await assert.rejects(callUnary(client, clusterService.GetMetadata, {}), reasonIs("UNSUPPORTED"));
  }));

test("bytes that are no request are answered INVALID_FIELD, unary and within a stream, and the server goes on", () =>
  withServer(async (client) => {
    const raw = (bytes: Buffer) => bytes;
    const garbage = Buffer.from([0x0a, 0xff]);
    const refusal = await new Promise<unknown>((resolve) => {
      client.makeUnaryRequest(fetchService.Fetch.path, raw, raw, garbage, (error) => resolve(error));
    });
    assert.ok(reasonIs("INVALID_FIELD")(fromGrpcError(refusal)), String(refusal));
    assert.equal((refusal as grpc.ServiceError).code, grpc.status.INVALID_ARGUMENT);

    const stream = client.makeBidiStreamRequest(fetchService.Subscribe.path, raw, raw);
    const failed = new Promise<unknown>((resolve) => stream.on("error", resolve));
    stream.on("data", () => {});
    stream.write(fetchService.Subscribe.requestSerialize({ credit: { totalBytes: 3 } }));
    stream.write(garbage);
    assert.ok(reasonIs("INVALID_FIELD")(fromGrpcError(await failed)));
    assert.equal((await callUnary(client, fetchService.Fetch, { offset: 1 })).highWatermark, 1);
  }));

test("a stream both ways speaks typed messages", () =>
  withServer(async (client) => {
    const stream = openBidi(client, fetchService.Subscribe);
    const answer = new Promise((resolve) => stream.once("data", resolve));
    stream.write({ credit: { totalBytes: 77 } });
    assert.deepEqual(await answer, { step: "caughtUp", caughtUp: { subscriptionId: 77, offset: 0 } });
    stream.end();
    await new Promise((resolve) => stream.on("status", resolve));
  }));

test("a refused connection is BROKER_UNREACHABLE, and so is a server that dies under a call", async () => {
  const nobody = new grpc.Client("127.0.0.1:1", grpc.credentials.createInsecure());
  await assert.rejects(callUnary(nobody, fetchService.Fetch, {}), reasonIs("BROKER_UNREACHABLE"));
  nobody.close();

  const server = new grpc.Server();
  const arrived = new Promise<void>((resolve) => server.addService({ Fetch: fetchService.Fetch }, { Fetch: () => resolve() }));
  const port = await new Promise<number>((resolve) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (_error, bound) => resolve(bound)),
  );
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const call = callUnary(client, fetchService.Fetch, {});
  await arrived;
  server.forceShutdown();
  await assert.rejects(call, reasonIs("BROKER_UNREACHABLE"));
  client.close();
});
