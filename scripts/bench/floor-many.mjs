// The floor of many small clients: each has a connection to each of three servers, sends one record to one of them at a time, a message each, and
// waits for its answer. Twice: servers that answer and do nothing else (what gRPC alone allows), and servers that replicate. Those append a record
// to a file, send it on to both others, what came within a turn of the event loop in one message, and answer when two of the three have synced it.
// Nothing else: no terms, no offsets, no partitions, no recovery.
//
//   node scripts/bench/floor-many.mjs [--clients 64] [--record-bytes 1024] [--duration 10] [--warm-up 2]
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

const { values: given } = parseArgs({
  options: {
    clients: { type: "string", default: "64" },
    "record-bytes": { type: "string", default: "1024" },
    duration: { type: "string", default: "10" },
    "warm-up": { type: "string", default: "2" },
  },
});
const recordBytes = Number(given["record-bytes"]);
const SERVERS = 3;

const methods = { produce: byteStream("/quire.floor/produce"), append: byteStream("/quire.floor/append") };
/** About what an acknowledgement takes. */
const ANSWER = Buffer.alloc(20);

function open(port, { path, requestSerialize, responseDeserialize }) {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  // The end of a run is the end of its processes.
  call.on("error", () => {});
  return call;
}

/** What a turn of the event loop adds, sent together. */
class Gathered {
  #send;
  #parts = [];

  constructor(send) {
    this.#send = send;
  }

  add(part) {
    if (this.#parts.push(part) > 1) return;
    setImmediate(() => {
      const parts = this.#parts;
      this.#parts = [];
      this.#send(parts);
    });
  }
}

/** Records that came to this server, and who waits for them, in order. */
class Own {
  #callers = [];
  #acknowledged = 0;
  #durable = Array.from({ length: SERVERS }, () => 0);

  add(caller) {
    this.#callers.push(caller);
  }

  isDurable(replica, count) {
    this.#durable[replica] += count;
    const quorum = [...this.#durable].sort((a, b) => b - a)[WRITE_QUORUM - 1];
    const answered = this.#callers.splice(0, quorum - this.#acknowledged);
    this.#acknowledged = quorum;
    for (const caller of answered) caller.write(ANSWER);
  }
}

/** A server that replicates, or, without a file, one that answers at once. */
function server({ file }) {
  const own = new Own();
  const links = [];
  /** For each batch of the file that is not durable yet: who is to be told. */
  const told = [];
  const log =
    file === undefined
      ? undefined
      : new FloorLog(file, true, (count) => {
          for (const tell of told.splice(0, count)) tell();
        });
  const append = (batch, tell) => {
    told.push(tell);
    log.append(batch);
  };
  const listening = new grpc.Server();
  listening.addService(methods, {
    produce(call) {
      call.on("error", () => {});
      call.on("data", (record) => {
        if (log === undefined) {
          call.write(ANSWER);
          return;
        }
        own.add(call);
        append(record, () => own.isDurable(0, 1));
        for (const link of links) link.add(record);
      });
    },
    append(call) {
      const answers = new Gathered((counts) => call.write(counted(counts.reduce((sum, count) => sum + count, 0))));
      call.on("error", () => {});
      call.on("data", (batch) => append(batch, () => answers.add(batch.length / recordBytes)));
    },
  });
  process.on("message", ({ peers }) => {
    for (const [at, port] of peers.entries()) {
      const call = open(port, methods.append);
      call.on("data", (bytes) => own.isDurable(at + 1, bytes.readUInt32LE(0)));
      links.push(new Gathered((records) => call.write(Buffer.concat(records))));
    }
    process.send({ peers: peers.length });
  });
  listening.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.send({ port });
  });
}

function clients({ ports }) {
  const latencyUs = createHistogram({ lowest: 1, highest: 3_600e6, figures: 3 });
  let records = 0;
  for (let at = 0; at < Number(given.clients); at++) {
    let sentAtMs = 0;
    let turn = at;
    const calls = ports.map((port) => {
      const call = open(port, methods.produce);
      call.on("data", () => {
        records += 1;
        latencyUs.record(Math.max(1, Math.round((performance.now() - sentAtMs) * 1e3)));
        send();
      });
      return call;
    });
    const send = () => {
      sentAtMs = performance.now();
      turn += 1;
      const record = Buffer.alloc(recordBytes, "b");
      crc32(record);
      calls[turn % calls.length].write(record);
    };
    send();
  }
  process.on("message", () => {
    process.send({ records, atMs: performance.now(), latencyMs: latencyMs(latencyUs) });
    latencyUs.reset();
  });
  process.send({ ready: true });
}

/** @param folder for the files of servers that replicate */
const measure = (folder) =>
  withRoles(fileURLToPath(import.meta.url), async (begin) => {
    const servers = [];
    for (let at = 0; at < SERVERS; at++) servers.push(await begin("server", folder === undefined ? {} : { file: join(folder, String(at)) }));
    const ports = servers.map(({ said }) => said.port);
    if (folder !== undefined) await Promise.all(servers.map(({ said, ask }) => ask({ peers: ports.filter((port) => port !== said.port) })));
    const { ask } = await begin("clients", { ports });
    const [before, after] = await stretch(given, ask);
    return { recordsPerSecond: rate(before, after), acknowledgementMs: after.latencyMs };
  });

async function conduct() {
  const folder = mkdtempSync(join(tmpdir(), "quire-floor-"));
  try {
    const alone = await measure(undefined);
    const replicated = await measure(folder);
    const megabytes = megabytesPerSecond(replicated.recordsPerSecond, recordBytes);
    console.log(JSON.stringify({ recordBytes, ...replicated, megabytesPerSecond: megabytes, alone }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await play({ server, clients }, conduct);
