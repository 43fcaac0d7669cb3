// What gRPC alone allows for many small clients: each has a connection to each of three servers, in processes of their own, sends one record to one of
// them at a time, a message each, and waits for its answer. The servers answer and do nothing else: nothing is checked, written, synced or replicated.
//
//   node scripts/bench/exchange.mjs [--clients 64] [--servers 3] [--record-bytes 1024] [--duration 10] [--warm-up 2]
//
// Prints one JSON object. Its ports are the kernel's choice.
import { createHistogram } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import grpc from "@grpc/grpc-js";
import { byteStream, latencyMs, megabytesPerSecond, play, rate, startRole } from "./roles.mjs";

const { values: given } = parseArgs({
  options: {
    clients: { type: "string", default: "64" },
    servers: { type: "string", default: "3" },
    "record-bytes": { type: "string", default: "1024" },
    duration: { type: "string", default: "10" },
    "warm-up": { type: "string", default: "2" },
  },
});
const recordBytes = Number(given["record-bytes"]);

const produce = byteStream("/quire.exchange/produce");
/** About what an acknowledgement takes. */
const ANSWER = Buffer.alloc(20);

function server() {
  const listening = new grpc.Server();
  listening.addService(
    { produce },
    {
      produce(call) {
        call.on("data", () => call.write(ANSWER));
        call.on("end", () => call.end());
        call.on("error", () => {});
      },
    },
  );
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
      const channel = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
      const call = channel.makeBidiStreamRequest(produce.path, produce.requestSerialize, produce.responseDeserialize);
      call.on("data", () => {
        records += 1;
        latencyUs.record(Math.max(1, Math.round((performance.now() - sentAtMs) * 1e3)));
        send();
      });
      call.on("error", () => {});
      return call;
    });
    const send = () => {
      sentAtMs = performance.now();
      turn += 1;
      calls[turn % calls.length].write(Buffer.alloc(recordBytes, "b"));
    };
    send();
  }
  process.on("message", () => {
    process.send({ records, atMs: performance.now(), latencyMs: latencyMs(latencyUs) });
    latencyUs.reset();
  });
  process.send({ ready: true });
}

async function conduct() {
  const processes = [];
  const begin = async (role, options) => {
    const begun = await startRole(fileURLToPath(import.meta.url), role, { options });
    processes.push(begun.child);
    return begun;
  };
  try {
    const ports = [];
    for (let at = 0; at < Number(given.servers); at++) ports.push((await begin("server", {})).said.port);
    const { ask } = await begin("clients", { ports });
    await sleep(Number(given["warm-up"]) * 1e3);
    const before = await ask();
    await sleep(Number(given.duration) * 1e3);
    const after = await ask();
    const recordsPerSecond = rate(before, after);
    const megabytes = megabytesPerSecond(recordsPerSecond, recordBytes);
    console.log(JSON.stringify({ recordBytes, recordsPerSecond, megabytesPerSecond: megabytes, acknowledgementMs: after.latencyMs }));
  } finally {
    for (const child of processes) child.kill("SIGKILL");
  }
}

await play({ server, clients }, conduct);
