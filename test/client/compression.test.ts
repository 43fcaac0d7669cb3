import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import zlib, { crc32, gzipSync } from "node:zlib";
import { MIB } from "../../src/base/limits.js";
import { Compression } from "../../src/base/record-batch.js";
import { bytes, type CompressionName, connect, QuireError, text } from "../../src/client/index.js";
import type { RecordBatch } from "../../src/wire/messages.js";
import { batchOf } from "../support/batches.js";
import { connected } from "./harness.js";

const NAMES: readonly CompressionName[] = ["gzip", "lz4", ...("zstdCompress" in zlib ? (["zstd"] as const) : [])];
const VALUES = Array.from({ length: 500 }, (_, at) => `{"customer":"customer ${at % 7}","state":"paid","at":${at}}`);

test("batches travel compressed, as their header says, and are read by whoever reads", async (context) => {
  for (const compression of NAMES) {
    const { cluster, quire } = await connected(context, { compression });
    cluster.createTopic("t", 1);
    const topic = quire.topic<string>("t", { serializer: text });
    await Promise.all(VALUES.map((value) => topic.send(value)));
    const { batches } = cluster.partition("t", 0);
    assert.ok(batches.some((batch) => batch.compression === Compression[compression] && batch.body.length < batch.uncompressedBytes / 2));
    for (const batch of batches) assert.equal(batch.crc32, crc32(batch.body), "of what travels");
    await using reader = await connect({ brokers: cluster.addresses });
    const read: string[] = [];
    for await (const { value } of reader.topic<string>("t", { serializer: text }).read({ from: "earliest", to: "latest" })) read.push(value);
    assert.deepEqual(read, VALUES);
  }
});

test("small batches, and those that do not get smaller, are sent as they are", async (context) => {
  const { cluster, quire } = await connected(context, { compression: "gzip" });
  cluster.createTopic("t", 1);
  const topic = quire.topic<Uint8Array>("t", { serializer: bytes });
  await topic.send(Buffer.alloc(900));
  await topic.send(randomBytes(10_000));
  await topic.send(Buffer.alloc(1_100));
  assert.deepEqual(
    cluster.partition("t", 0).batches.map(({ compression }) => compression),
    [0, 0, Compression.gzip],
  );
});

test("batches leave in the order in which they were closed, whichever is compressed first, through refusals and lost connections", async (context) => {
  const { cluster, quire } = await connected(context, { compression: "gzip", batchBytes: 4_096 });
  cluster.createTopic("t", 1);
  let batches = 0;
  cluster.onBatch = () => {
    batches += 1;
    if (batches % 9 === 4) return "drop";
    return batches % 9 === 7 ? new QuireError("NOT_READY", "just elected") : undefined;
  };
  const topic = quire.topic<string>("t", { serializer: text });
  // Short ones that compress well between long ones that do not: were each sent when it is ready, they would overtake.
  const values = Array.from({ length: 400 }, (_, at) => `${at} ${at % 3 === 0 ? randomBytes(3_000).toString("base64") : "-".repeat(1_500)}`);
  await Promise.all(values.map((value) => topic.send(value)));
  const read: string[] = [];
  for await (const { value } of topic.read({ from: "earliest", to: "latest" })) read.push(value);
  assert.deepEqual([...new Set(read)], values);
});

test("what is sent before a flush and a close is compressed and answered", async (context) => {
  const { cluster, quire } = await connected(context, { compression: "lz4", lingerMs: 10_000 });
  cluster.createTopic("t", 4);
  const topic = quire.topic<string>("t");
  const sends = VALUES.map((value, at) => topic.send(value, { partition: at % 4 }));
  await quire.flush();
  await Promise.all(sends);
  const late = VALUES.map((value, at) => topic.send(value, { partition: at % 4 }));
  await quire.close();
  await Promise.all(late);
});

test("a batch that is not what it says is named and refused; those behind it can still be read", async (context) => {
  const { cluster, quire } = await connected(context);
  const good = batchOf(VALUES);
  const packed = gzipSync(good.body);
  const bomb = gzipSync(Buffer.alloc(80 * MIB));
  const stored = (change: Partial<RecordBatch>): RecordBatch => {
    const body = change.body ?? packed;
    return { ...good, compression: Compression.gzip, uncompressedBytes: good.body.length, baseOffset: 0, term: 1, body, crc32: crc32(body), ...change };
  };
  const cases: readonly (readonly [string, Partial<RecordBatch>, RegExp])[] = [
    ["CORRUPT_BATCH", { body: bomb }, /is not \d+ bytes compressed with gzip/],
    ["CORRUPT_BATCH", { body: bomb, uncompressedBytes: 80 * MIB }, /states 83886080 bytes before compression; it must be 1 to/],
    ["CORRUPT_BATCH", { body: packed.subarray(0, 100) }, /is not \d+ bytes compressed with gzip/],
    ["CORRUPT_BATCH", { compression: Compression.lz4 }, /not a whole LZ4 frame/],
    ["CORRUPT_BATCH", { uncompressedBytes: good.body.length + 1 }, /states \d+ bytes before compression and holds \d+/],
    ["CORRUPT_BATCH", { uncompressedBytes: 0 }, /states 0 bytes/],
    ["CORRUPT_BATCH", { crc32: 1 }, /another checksum/],
    ["CORRUPT_BATCH", { body: gzipSync(Buffer.from("no records at all")), uncompressedBytes: 17 }, /./],
    ["UNSUPPORTED", { compression: 9 }, /compression 9, which this version cannot read/],
    ...("zstdCompress" in zlib ? [] : ([["UNSUPPORTED", { compression: Compression.zstd }, /has no zstd; use Node 22.15/]] as const)),
  ];
  for (const [at, [reason, change, message]] of cases.entries()) {
    cluster.createTopic(`t${at}`, 1);
    cluster.append(`t${at}`, 0, stored(change));
    cluster.append(`t${at}`, 0, stored({}));
    const problems: unknown[] = [];
    const read: string[] = [];
    for await (const batch of quire.topic<string>(`t${at}`, { serializer: text }).read({ from: "earliest", to: "latest" }).batches()) {
      try {
        for (const { value } of batch) read.push(value);
      } catch (thrown) {
        problems.push(thrown);
      }
    }
    assert.equal(problems.length, 1, `case ${at}`);
    const [problem] = problems;
    assert.ok(problem instanceof QuireError && problem.reason === reason && message.test(problem.message), `case ${at}: ${problem}`);
    assert.deepEqual(read.slice(-VALUES.length), VALUES, `case ${at}`);
  }
});

test("an unknown compression, and one that this runtime does not have, are refused before anything is done", async () => {
  const brokers = ["127.0.0.1:1"];
  await assert.rejects(connect({ brokers, compression: "brotli" as CompressionName }), /compression is "brotli"; use one of none, gzip, lz4, zstd/);
  const refusal = connect({ brokers, compression: "zstd", connectTimeoutMs: 100 });
  await assert.rejects(refusal, { reason: "zstdCompress" in zlib ? "BROKER_UNREACHABLE" : "UNSUPPORTED" });
});
