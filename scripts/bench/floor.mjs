// The floor: what Node, gRPC and the disk at hand allow for a log replicated three ways, and so what a broker's figures are divided by.
//
// Five processes, as a broker has them: a producer fills batches with records and streams them to a leader; the leader checks their checksum,
// appends them to a file and streams them on to two followers; all three sync before they count; what two of the three have is acknowledged to
// the producer and streamed to a consumer, which walks over each record. Nothing else: no terms, no offsets, no partitions, no recovery.
//
//   node scripts/bench/floor.mjs [--record-bytes 100] [--batch-bytes 262144] [--under-way-bytes 8000000 | --under-way 1]
//        [--duration 10] [--warm-up 2] [--no-sync] [--no-consumer]
//
// Prints one JSON object. Its ports are the kernel's choice, its files are in the folder for temporary files.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHistogram } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { crc32 } from "node:zlib";
import grpc from "@grpc/grpc-js";
import { counted, FloorLog, WRITE_QUORUM } from "./floor-log.mjs";
import { byteStream, latencyMs, megabytesPerSecond, play, rate, stretch, withRoles } from "./roles.mjs";

const WINDOW_BYTES = 4 * 1024 * 1024;
/** Of a record: what says how long key, value and headers are. */
const RECORD_HEADER_BYTES = 6;

const { values: given } = parseArgs({
  options: {
    "record-bytes": { type: "string", default: "100" },
    "batch-bytes": { type: "string", default: "262144" },
    "under-way-bytes": { type: "string", default: "8000000" },
    "under-way": { type: "string" },
    duration: { type: "string", default: "10" },
    "warm-up": { type: "string", default: "2" },
    "no-sync": { type: "boolean", default: false },
    "no-consumer": { type: "boolean", default: false },
  },
});
const recordBytes = Number(given["record-bytes"]);
const isSynced = !given["no-sync"];
const recordsPerBatch = Math.max(1, Math.floor(Number(given["batch-bytes"]) / recordBytes));
const batchBytes = recordsPerBatch * recordBytes;
const underWayMax = Number(given["under-way"] ?? Math.max(1, Math.floor(Number(given["under-way-bytes"]) / batchBytes)));

const methods = { append: byteStream("/quire.floor/append"), read: byteStream("/quire.floor/read") };
const channelOptions = {
  "grpc-node.flow_control_window": WINDOW_BYTES,
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
};

/** A server whose receive windows are as wide as a client's: grpc-js 1.14 leaves them at 64 KiB. */
class WideServer extends grpc.Server {
  createHttp2Server(credentials) {
    const server = super.createHttp2Server(credentials);
    server.on("session", (session) => {
      session.settings({ initialWindowSize: WINDOW_BYTES });
      session.setLocalWindowSize(WINDOW_BYTES);
    });
    return server;
  }
}

function serve(handlers) {
  const server = new WideServer(channelOptions);
  server.addService(methods, handlers);
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.send({ port });
  });
}

function open(port, { path, requestSerialize, responseDeserialize }) {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), channelOptions);
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  // The end of a run is the end of its processes.
  call.on("error", () => {});
  return call;
}

function follower({ file }) {
  serve({
    append(call) {
      const log = new FloorLog(file, isSynced, (count) => call.write(counted(count)));
      call.on("data", (batch) => log.append(batch));
      call.on("error", () => {});
    },
    read() {},
  });
}

/** What is committed and not yet read, for a consumer that may be slower. */
class Committed {
  #batches = [];
  #committed = 0;
  #next = 0;
  #reader;
  #isWritable = true;

  add(batch) {
    if (!given["no-consumer"]) this.#batches.push(batch);
  }

  commit(count) {
    this.#committed += count;
    this.#pump();
  }

  serve(call) {
    this.#reader = call;
    call.on("error", () => {});
    call.on("drain", () => {
      this.#isWritable = true;
      this.#pump();
    });
    this.#pump();
  }

  #pump() {
    if (this.#reader === undefined) return;
    for (; this.#isWritable && this.#next < this.#committed; this.#next++) {
      const batch = this.#batches[this.#next];
      delete this.#batches[this.#next];
      this.#isWritable = this.#reader.write(batch);
    }
  }
}

function leader({ file, followers }) {
  const durable = [0, ...followers.map(() => 0)];
  const committed = new Committed();
  let acknowledged = 0;
  let producer;
  const isDurable = (replica, count) => {
    durable[replica] += count;
    const quorum = [...durable].sort((a, b) => b - a)[WRITE_QUORUM - 1];
    if (quorum === acknowledged) return;
    producer.write(counted(quorum - acknowledged));
    committed.commit(quorum - acknowledged);
    acknowledged = quorum;
  };
  const links = followers.map((port, at) => {
    const call = open(port, methods.append);
    call.on("data", (bytes) => isDurable(at + 1, bytes.readUInt32LE(0)));
    return call;
  });
  const log = new FloorLog(file, isSynced, (count) => isDurable(0, count));
  serve({
    append(call) {
      producer = call;
      call.on("error", () => {});
      call.on("data", (batch) => {
        committed.add(batch);
        log.append(batch);
        for (const link of links) link.write(batch);
      });
    },
    read: (call) => committed.serve(call),
  });
}

function consumer({ port }) {
  let records = 0;
  open(port, methods.read).on("data", (batch) => {
    crc32(batch);
    for (let at = 0; at < batch.length; at += recordBytes) {
      if (batch.subarray(at + RECORD_HEADER_BYTES, at + recordBytes).length > 0) records += 1;
    }
  });
  process.on("message", () => process.send({ records, atMs: performance.now() }));
  process.send({ ready: true });
}

function encodeBatch(value, number) {
  const batch = Buffer.allocUnsafe(batchBytes);
  for (let at = 0; at < batchBytes; at += recordBytes) {
    batch.writeUInt16LE(0, at);
    batch.writeUInt32LE(number, at + 2);
    batch.set(value, at + RECORD_HEADER_BYTES);
  }
  crc32(batch);
  return batch;
}

function producer({ port }) {
  const value = Buffer.alloc(recordBytes - RECORD_HEADER_BYTES, "b");
  const call = open(port, methods.append);
  const sentAtMs = [];
  const latencyUs = createHistogram({ lowest: 1, highest: 3_600e6, figures: 3 });
  let acknowledged = 0;
  const send = () => {
    for (; sentAtMs.length - acknowledged < underWayMax; ) {
      sentAtMs.push(performance.now());
      call.write(encodeBatch(value, sentAtMs.length));
    }
  };
  call.on("data", (bytes) => {
    const nowMs = performance.now();
    for (let left = bytes.readUInt32LE(0); left > 0; left--) {
      latencyUs.record(Math.max(1, Math.round((nowMs - sentAtMs[acknowledged]) * 1e3)));
      acknowledged += 1;
    }
    send();
  });
  process.on("message", () => {
    process.send({ records: acknowledged * recordsPerBatch, atMs: performance.now(), latencyMs: latencyMs(latencyUs) });
    latencyUs.reset();
  });
  send();
  process.send({ ready: true });
}

async function conduct() {
  const folder = mkdtempSync(join(tmpdir(), "quire-floor-"));
  try {
    const [before, after] = await withRoles(fileURLToPath(import.meta.url), async (begin) => {
      const followers = [await begin("follower", { file: join(folder, "follower-1") }), await begin("follower", { file: join(folder, "follower-2") })];
      const { said } = await begin("leader", { file: join(folder, "leader"), followers: followers.map((each) => each.said.port) });
      const consuming = given["no-consumer"] ? undefined : await begin("consumer", said);
      const producing = await begin("producer", said);
      return await stretch(given, () => Promise.all([producing.ask(), consuming?.ask()]));
    });
    const recordsPerSecond = rate(before[0], after[0]);
    const consumed = given["no-consumer"] ? {} : { consumedRecordsPerSecond: rate(before[1], after[1]) };
    const megabytes = megabytesPerSecond(recordsPerSecond, recordBytes);
    console.log(
      JSON.stringify({ recordBytes, batchBytes, recordsPerSecond, megabytesPerSecond: megabytes, ...consumed, acknowledgementMs: after[0].latencyMs }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await play({ follower, leader, consumer, producer }, conduct);
