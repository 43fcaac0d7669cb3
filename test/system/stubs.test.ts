import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import zlib, { crc32, gunzipSync, gzipSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath as healthProtoPath } from "grpc-health-check";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import { type CompressionName, text } from "../../src/client/index.js";
import { decode, detailsOf, encode, failure, type Message, PlainClient } from "./plain-client.js";
import { TestCluster } from "./test-cluster.js";

let cluster: TestCluster;
const clients = new Map<number, PlainClient>();
/** By node id. */
const at = (nodeId: number): PlainClient => clients.get(nodeId) ?? new PlainClient("");

before(async () => {
  cluster = await TestCluster.start();
  for (const broker of cluster.brokers) clients.set(broker.nodeId, new PlainClient(broker.address));
  await untilWhole(cluster.addresses, 3, 30_000);
});
after(async () => {
  for (const client of clients.values()) client.close();
  await cluster[Symbol.asyncDispose]();
});

/** Creates a topic through broker 2 and returns who leads each partition. */
async function createTopic(name: string, partitions = 1): Promise<number[]> {
  const { topic } = await at(2).ask("quire.v1.AdminService.CreateTopic", { topic: { name, partitions } });
  assert.deepEqual([topic.replicas, topic.write_quorum, topic.read_quorum], [3, 2, 2]);
  return topic.partition_states.map((state: Message) => state.leader_node_id);
}
const followerOf = (leader: number): number => (leader % 3) + 1;
const record = (value: string, key?: string): object => ({ value: Buffer.from(value), ...(key !== undefined && { key: Buffer.from(key) }) });
const recordsOf = ({ records, compression }: Message): Message[] =>
  decode("quire.v1.Records", compression === "COMPRESSION_GZIP" ? gunzipSync(records) : records).records;
const valuesOf = (batches: Message[]): string[] => batches.flatMap((batch) => recordsOf(batch).map(({ value }) => value.toString()));

test("records appended through a follower, with and without a partition, are fetched through another", async () => {
  const leaders = await createTopic("appended", 3);
  const stranger = followerOf(leaders[1] ?? 0);
  const request = {
    topic: "appended",
    partition: 1,
    records: [record("one", "k"), { ...record("two"), headers: [{ key: "h", value: Buffer.from([0, 255]) }] }],
  };
  const { records } = await at(stranger).ask("quire.v1.ProduceService.Append", request);
  assert.deepEqual(
    records.map((r: Message) => [r.partition, r.offset, r.error]),
    [
      [1, 0, null],
      [1, 1, null],
    ],
  );
  assert.ok(records[0].replicas_on_disk >= 2, "W replicas have it");
  const keyed = await at(stranger).ask("quire.v1.ProduceService.Append", { topic: "appended", records: ["a", "b", "c", "a"].map((key) => record(key, key)) });
  assert.equal(keyed.records[0].partition, keyed.records[3].partition, "one key, one partition");

  const fetched = await at(followerOf(stranger)).ask("quire.v1.FetchService.Fetch", { topic: "appended", partition: 1, offset: 0 });
  assert.equal(fetched.leader.node_id, leaders[1]);
  assert.equal(fetched.leader.address, cluster.broker(leaders[1] ?? 0).address);
  const [first, second] = fetched.batches.flatMap(recordsOf);
  assert.deepEqual([first.key.toString(), first.value.toString(), second.key], ["k", "one", undefined]);
  assert.deepEqual(second.headers, [{ key: "h", value: Buffer.from([0, 255]) }]);
  assert.equal(crc32(fetched.batches[0].records), fetched.batches[0].crc32);
});

test("a produce stream answers each batch in band, compressed ones too, and fetches come back byte for byte", async () => {
  const [leader = 0] = await createTopic("produced");
  const stream = at(leader).open("quire.v1.ProduceService.Produce");
  const body = encode("quire.v1.Records", { records: [record("a"), record("b")] });
  const packed = gzipSync(body);
  const plain = { base_timestamp_ms: 1_700_000_000_000, record_count: 2, records: body };
  const batch = (correlation_id: number, given: object): object => ({ correlation_id, topic: "produced", partition: 0, batch: given });
  stream.send({
    batches: [
      batch(7, plain),
      batch(8, { ...plain, records: packed, compression: "COMPRESSION_GZIP", uncompressed_bytes: body.length, crc32: crc32(packed) }),
      batch(9, { ...plain, crc32: crc32(body) ^ 1 }),
    ],
  });
  const results = new Map<number, Message>();
  while (results.size < 3) for (const result of (await stream.next()).results) results.set(result.correlation_id, result);
  stream.cancel();
  assert.deepEqual([results.get(7).base_offset, results.get(8).base_offset], [0, 2]);
  assert.deepEqual([results.get(7).error, results.get(8).error], [null, null]);
  assert.equal(results.get(8).leader.node_id, leader);
  const corrupt = detailsOf(results.get(9).error);
  assert.deepEqual([corrupt.code, corrupt.ErrorInfo.reason, corrupt.ErrorInfo.domain], [grpc.status.INVALID_ARGUMENT, "CORRUPT_BATCH", "quire"]);
  const { batches, high_watermark } = await at(leader).ask("quire.v1.FetchService.Fetch", { topic: "produced", partition: 0, offset: 0 });
  assert.equal(high_watermark, 4);
  assert.deepEqual(valuesOf(batches), ["a", "b", "a", "b"]);
  assert.deepEqual([batches[0].records, batches[1].records], [body, packed]);
});

test("an idempotent producer made of stubs: ids from any broker, one entry per sequence through any broker, a named one fences its former self", async () => {
  const [leader = 0] = await createTopic("sequenced");
  const init = (nodeId: number, request: object): Promise<Message> => at(nodeId).ask("quire.v1.ProduceService.InitProducer", request);
  const ids = await Promise.all([1, 2, 3, 1, 2, 3].map((nodeId) => init(nodeId, {})));
  assert.equal(new Set(ids.map(({ producer_id }) => producer_id)).size, ids.length);
  const append = async (nodeId: number, { producer_id, epoch }: Message, base_sequence: number, values: string[]): Promise<number[]> => {
    const producer = { producer_id, producer_epoch: epoch, base_sequence };
    const request = { topic: "sequenced", partition: 0, records: values.map((value) => record(value)), ...producer };
    return (await at(nodeId).ask("quire.v1.ProduceService.Append", request)).records.map((appended: Message) => appended.offset);
  };
  const refused = (reason: string) => (error: Message) => failure(error).ErrorInfo.reason === reason;
  const former = await init(leader, { name: "billing-1" });
  assert.deepEqual(await append(leader, former, 0, ["a", "b"]), [0, 1]);
  assert.deepEqual(await append(followerOf(leader), former, 0, ["a", "b"]), [0, 1]);
  await assert.rejects(append(leader, former, 3, ["d"]), refused("OUT_OF_ORDER_SEQUENCE"));
  assert.deepEqual(await append(followerOf(leader), former, 2, ["c"]), [2]);
  const next = await init(followerOf(leader), { name: "billing-1" });
  assert.equal(next.producer_id, former.producer_id);
  assert.ok(next.epoch >= former.epoch + former.epochs);
  assert.deepEqual(await append(leader, next, 0, ["d"]), [3]);
  await assert.rejects(append(leader, former, 3, ["e"]), refused("PRODUCER_FENCED"));
  const { batches } = await at(leader).ask("quire.v1.FetchService.Fetch", { topic: "sequenced", partition: 0, offset: 0 });
  assert.deepEqual(valuesOf(batches), ["a", "b", "c", "d"]);
  assert.deepEqual(
    batches.map((batch: Message) => [batch.producer_id, batch.producer_epoch, batch.base_sequence]),
    [
      [former.producer_id, former.epoch, 0],
      [former.producer_id, former.epoch, 2],
      [next.producer_id, next.epoch, 0],
    ],
  );
});

test("what the client compressed, each way it can, is fetched as it was sent, by stubs and by the client", async () => {
  const codecs = ["gzip", "lz4", ...("zstdCompress" in zlib ? ["zstd"] : [])] as CompressionName[];
  const values = Array.from({ length: 2_000 }, (_, value) => `value ${value}`);
  for (const compression of codecs) {
    const [leader = 0] = await createTopic(`packed-${compression}`);
    await using quire = await cluster.connect({ compression });
    const topic = quire.topic<string>(`packed-${compression}`, { serializer: text });
    await Promise.all(values.map((value) => topic.send(value)));
    const { batches } = await at(leader).ask("quire.v1.FetchService.Fetch", { topic: `packed-${compression}`, partition: 0, offset: 0 });
    assert.ok(
      batches.some((batch: Message) => batch.compression === `COMPRESSION_${compression.toUpperCase()}` && batch.records.length < batch.uncompressed_bytes),
    );
    if (compression === "gzip") assert.deepEqual(valuesOf(batches), values);
    const read: string[] = [];
    for await (const { value } of topic.read({ from: "earliest", to: "latest" })) read.push(value);
    assert.deepEqual(read, values);
  }
});

test("a produce stream to another broker than the leader says in band where the leader is", async () => {
  const [leader = 0] = await createTopic("elsewhere");
  const stream = at(followerOf(leader)).open("quire.v1.ProduceService.Produce");
  const records = encode("quire.v1.Records", { records: [record("a")] });
  stream.send({ batches: [{ correlation_id: 1, topic: "elsewhere", partition: 0, batch: { record_count: 1, records } }] });
  const [result] = (await stream.next()).results;
  stream.cancel();
  const { code, ErrorInfo } = detailsOf(result.error);
  assert.deepEqual([code, ErrorInfo.reason], [grpc.status.FAILED_PRECONDITION, "NOT_LEADER"]);
  assert.deepEqual([result.leader.node_id, result.leader.address], [leader, cluster.broker(leader).address]);
});

test("a subscription sends as far as the credit goes, says when it has caught up, and ends when asked", async () => {
  const [leader = 0] = await createTopic("subscribed");
  const values = Array.from({ length: 40 }, (_, number) => `${number}-${"x".repeat(1_000)}`);
  for (const value of values) await at(leader).ask("quire.v1.ProduceService.Append", { topic: "subscribed", partition: 0, records: [record(value)] });
  const stream = at(leader).open("quire.v1.FetchService.Subscribe");
  const steps: Message[] = [];
  const next = async (): Promise<Message> => {
    for (;;) {
      const message = await stream.next();
      if (message.step !== "heartbeat") {
        steps.push(message);
        return message;
      }
    }
  };
  const bytes = (): number => steps.flatMap((step) => step.batches?.batches ?? []).reduce((sum: number, batch: Message) => sum + batch.records.length, 0);
  stream.send({ add: { subscription_id: 5, topic: "subscribed", partition: 0, position: { named: "NAMED_POSITION_EARLIEST" } } });
  assert.deepEqual((await next()).started.offset, 0);
  stream.send({ credit: { total_bytes: 10_000 } });
  while (bytes() < 9_000) await next();
  // What came without further credit is within it and one batch: an answer to a later step proves that nothing else was on its way.
  stream.send({ add: { subscription_id: 6, topic: "subscribed", partition: 0, position: { offset: 40 } } });
  while ((await next()).started?.subscription_id !== 6);
  assert.ok(bytes() < 12_000, `${bytes()} bytes on 10,000 of credit`);
  stream.send({ credit: { total_bytes: 1_000_000 } });
  while ((await next()).caught_up?.subscription_id !== 5);
  const got = steps.flatMap((step) => step.batches?.batches ?? []);
  assert.deepEqual(valuesOf(got), values);
  await at(leader).ask("quire.v1.ProduceService.Append", { topic: "subscribed", partition: 0, records: [record("live")] });
  while ((await next()).batches === undefined);
  stream.send({ remove: { subscription_id: 5 } });
  while (steps.at(-1).end === undefined) await next();
  assert.deepEqual([steps.at(-1).end.subscription_id, steps.at(-1).end.error], [5, null]);
  stream.cancel();
});

test("offsets are listed by name and time through any broker, each question with its own answer", async () => {
  const [leader = 0] = await createTopic("listed");
  const times = [1_000, 2_000, 3_000];
  for (const timestamp_ms of times)
    await at(leader).ask("quire.v1.ProduceService.Append", { topic: "listed", partition: 0, records: [{ ...record("x"), timestamp_ms }] });
  const positions = [{ named: "NAMED_POSITION_EARLIEST" }, { named: "NAMED_POSITION_LATEST" }, { timestamp_ms: 1_500 }];
  const queries = [...positions.map((position) => ({ topic: "listed", partition: 0, position })), { topic: "nothing", partition: 0, position: positions[0] }];
  const { answers } = await at(followerOf(leader)).ask("quire.v1.FetchService.ListOffsets", { queries });
  assert.deepEqual(
    answers.slice(0, 3).map((answer: Message) => [answer.offset, answer.error]),
    [
      [0, null],
      [3, null],
      [1, null],
    ],
  );
  assert.equal(answers[2].timestamp_ms, 2_000);
  assert.equal(detailsOf(answers[3].error).ErrorInfo.reason, "TOPIC_NOT_FOUND");
});

test("refusals carry reason, domain, values and remedy in the common error model, forwarded or not", async () => {
  const [leader = 0] = await createTopic("refused");
  for (const nodeId of [leader, followerOf(leader)]) {
    const range = await at(nodeId).refusal("quire.v1.FetchService.Fetch", { topic: "refused", partition: 0, offset: 12 });
    assert.deepEqual([range.code, range.ErrorInfo.reason, range.ErrorInfo.domain], [grpc.status.OUT_OF_RANGE, "OFFSET_OUT_OF_RANGE", "quire"]);
    assert.deepEqual([range.ErrorInfo.metadata.earliest, range.ErrorInfo.metadata.latest], ["0", "0"]);
    const quorum = await at(nodeId).refusal("quire.v1.AdminService.CreateTopic", { topic: { name: "unsafe", replicas: 3, write_quorum: 1, read_quorum: 2 } });
    assert.deepEqual([quorum.code, quorum.ErrorInfo.reason], [grpc.status.INVALID_ARGUMENT, "INVALID_QUORUM"]);
    const twice = await at(nodeId).refusal("quire.v1.AdminService.CreateTopic", { topic: { name: "refused" } });
    assert.equal(twice.ErrorInfo.reason, "TOPIC_ALREADY_EXISTS");
    const name = await at(nodeId).refusal("quire.v1.ProduceService.Append", { topic: "no spaces", records: [record("x")] });
    assert.equal(name.ErrorInfo.reason, "INVALID_NAME");
    assert.equal(name.BadRequest?.field_violations[0].field, "topic");
    const partition = await at(nodeId).refusal("quire.v1.ProduceService.Append", { topic: "refused", partition: 1, records: [record("x")] });
    assert.deepEqual([partition.code, partition.ErrorInfo.reason], [grpc.status.NOT_FOUND, "PARTITION_NOT_FOUND"]);
  }
});

test("fields and enum values of a later version do no harm: fields are ignored, values refused by name", async () => {
  const [leader = 0] = await createTopic("later");
  const later = Buffer.from([0xba, 0x3e, 0x03, 1, 2, 3, 0xc0, 0x3e, 0x2a]); // field 999, bytes; field 1000, varint
  for (const nodeId of [leader, followerOf(leader)]) {
    const request = encode("quire.v1.AppendRequest", { topic: "later", partition: 0, records: [record("kept")] });
    const answer = decode("quire.v1.AppendResponse", await at(nodeId).askBytes("quire.v1.ProduceService.Append", Buffer.concat([request, later])));
    assert.equal(answer.records[0].error, null);
    const acks = Buffer.concat([request, Buffer.from([0x20, 0x63])]); // acks = 99
    const refused = await at(nodeId)
      .askBytes("quire.v1.ProduceService.Append", acks)
      .catch((error: grpc.ServiceError) => error);
    assert.ok(refused instanceof Error && refused.code === grpc.status.INVALID_ARGUMENT && /acks is 99, which this broker does not know/.test(refused.details));
  }
  const { batches } = await at(leader).ask("quire.v1.FetchService.Fetch", { topic: "later", partition: 0, offset: 0 });
  assert.deepEqual(valuesOf(batches), ["kept", "kept"]);
  const metadata = Buffer.concat([encode("quire.v1.GetMetadataRequest", { topics: ["later"] }), later]);
  const { metadata: known } = decode("quire.v1.GetMetadataResponse", await at(1).askBytes("quire.v1.ClusterService.GetMetadata", metadata));
  assert.deepEqual(
    known.topics.map((topic: Message) => [topic.name, topic.partitions[0].leader_node_id]),
    [["later", leader]],
  );
});

test("reflection lists the services and health says that each serves, on every broker", async () => {
  const services = ["quire.v1.ProduceService", "quire.v1.FetchService", "quire.v1.ClusterService", "quire.v1.AdminService"];
  const healthScope: Message = grpc.loadPackageDefinition(loadSync(healthProtoPath, { enums: String }));
  for (const { nodeId, address } of cluster.brokers) {
    const stream = at(nodeId).open("grpc.reflection.v1.ServerReflection.ServerReflectionInfo");
    stream.send({ list_services: "*" });
    const listed = (await stream.next()).list_services_response.service.map(({ name }: Message) => name);
    for (const service of [...services, "grpc.health.v1.Health"]) assert.ok(listed.includes(service), `${service} in ${listed}`);
    stream.send({ file_containing_symbol: "quire.v1.FetchService" });
    const described = await stream.next();
    assert.ok(described.file_descriptor_response.file_descriptor_proto.length > 0);
    stream.cancel();
    const health = new healthScope.grpc.health.v1.Health(address, grpc.credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
    for (const service of ["", ...services]) {
      const status = await new Promise((resolve, reject) =>
        health.check({ service }, (error: Error | null, response: Message) => (error ? reject(error) : resolve(response.status))),
      );
      assert.equal(status, "SERVING", service);
    }
    health.close();
  }
});
