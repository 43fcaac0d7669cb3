/**
 * Loaded into a process before its program (`node --import`), to count what cannot be seen from outside: syncs of files, gRPC messages and their
 * bytes, the delay of the event loop; and to record a CPU profile. It wraps functions of Node, so that brokers need no counters that only a benchmark
 * reads, and the same figures are there for brokers and clients. What native code does by itself (LevelDB's own syncs) is not counted.
 */
import fs from "node:fs";
import http2 from "node:http2";
import inspector from "node:inspector";
import { syncBuiltinESMExports } from "node:module";
import { connect } from "node:net";
// biome-ignore lint/plugin: it measures this real process; nothing that could be simulated depends on it
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { PassThrough, type Writable } from "node:stream";
import { unreachable } from "../../base/assert.js";
import type { ProbeFigures, ProbeHello, ProbeRequest } from "./probe-messages.js";

/** A timer of its own wakes the process so often: seldom enough not to count as work of an idle broker. */
const LOOP_RESOLUTION_MS = 20;
const NS_PER_MS = 1e6;

const counts = { syncs: 0, messages: 0, messageBytes: 0 };

function countSyncs(): void {
  for (const name of ["fsync", "fdatasync"] as const) {
    const original = fs[name];
    const counting = (descriptor: number, done: fs.NoParamCallback): void => {
      counts.syncs += 1;
      original(descriptor, done);
    };
    Object.assign(fs, { [name]: counting });
  }
  syncBuiltinESMExports();
}

/** grpc-js writes each message, with its prefix of five bytes, by one `write` to an HTTP/2 stream; their class is only found through an instance. */
function countMessages(): void {
  const session = http2.connect("http://127.0.0.1", { createConnection: () => new PassThrough() });
  session.on("error", () => {});
  const stream = session.request({ ":path": "/" });
  stream.on("error", () => {});
  const http2Stream = Object.getPrototypeOf(Object.getPrototypeOf(stream)) as Writable;
  const original = http2Stream.write as (...args: unknown[]) => boolean;
  Object.assign(http2Stream, {
    write(this: Writable, ...args: unknown[]): boolean {
      const [chunk] = args;
      if (chunk instanceof Uint8Array) {
        counts.messages += 1;
        counts.messageBytes += chunk.length;
      }
      return original.apply(this, args);
    },
  });
  session.destroy();
}

countSyncs();
countMessages();
const loopDelay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
loopDelay.enable();

let marked = { ...counts };
let markedCpu: NodeJS.CpuUsage | undefined;

function mark(): void {
  marked = { ...counts };
  markedCpu = process.cpuUsage();
  loopDelay.reset();
}

function figures(): ProbeFigures {
  const { user, system } = process.cpuUsage(markedCpu);
  // The histogram holds whole periods of its timer.
  const delayMs = (ns: number): number => Math.max(0, ns / NS_PER_MS - LOOP_RESOLUTION_MS);
  return {
    cpuSeconds: (user + system) / 1e6,
    syncs: counts.syncs - marked.syncs,
    messages: counts.messages - marked.messages,
    messageBytes: counts.messageBytes - marked.messageBytes,
    loopDelayMsP99: delayMs(loopDelay.percentile(99)),
    loopDelayMsMax: delayMs(loopDelay.max),
    residentBytes: process.memoryUsage.rss(),
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
}

let profiler: inspector.Session | undefined;

function startProfile(): void {
  profiler = new inspector.Session();
  profiler.connect();
  profiler.post("Profiler.enable");
  profiler.post("Profiler.start");
}

function saveProfile(file: string): void {
  profiler?.post("Profiler.stop", (error, result) => {
    if (error === null) fs.writeFileSync(file, JSON.stringify(result.profile));
  });
  profiler?.disconnect();
  profiler = undefined;
}

function answer(request: ProbeRequest): object {
  switch (request.ask) {
    case "mark":
      mark();
      return {};
    case "figures":
      return figures();
    case "startProfile":
      startProfile();
      return {};
    case "saveProfile":
      saveProfile(request.file);
      return {};
    default:
      return unreachable(request);
  }
}

const socket = connect(Number(new URL(import.meta.url).searchParams.get("port")), "127.0.0.1");
socket.unref();
socket.setNoDelay(true);
// Without its conductor the process goes on, uncounted.
socket.on("error", () => {});
const hello: ProbeHello = { pid: process.pid };
socket.write(`${JSON.stringify(hello)}\n`);
const lines = createInterface({ input: socket });
lines.on("error", () => {});
lines.on("line", (line) => {
  socket.write(`${JSON.stringify(answer(JSON.parse(line) as ProbeRequest))}\n`);
});
