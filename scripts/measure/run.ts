/**
 * Measures what the README promises of times and memory, on this machine, with real processes: failover after SIGKILL and
 * SIGSTOP, the first minute, a restart with a large log, large groups, the cost of commits, memory under abuse. Prints one line per figure. Not a test:
 * machines are noisy, so a person reads it. Only `consumers` judges what it saw, and its exit code says so.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { LocalCluster } from "../../src/cli/local/local-cluster.js";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import { connect, type Quire, type Topic } from "../../src/client/index.js";
import { measureCommits } from "./commits.js";
import { measureConsumers } from "./consumers.js";
import { Pulse } from "./gaps.js";
import { measureGroups } from "./groups.js";
import { peakMiB } from "./memory.js";
import { openStuckConsumer } from "./stuck-consumer.js";

const WHOLE_MS = 60_000;
const MIB = 1024 * 1024;

interface Stage {
  readonly cluster: LocalCluster;
  readonly quire: Quire;
}

const say = (what: string, figure: string): void => {
  process.stdout.write(`${what.padEnd(64)} ${figure}\n`);
};
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const round = (value: number): string => value.toFixed(0);

async function onStage(run: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "quire-measure-"));
  const cluster = await LocalCluster.start({ folder, brokers: 3 });
  try {
    await untilWhole(cluster.addresses, 3, WHOLE_MS);
    const quire = await connect({ brokers: cluster.addresses, deliveryTimeoutMs: 60_000 });
    try {
      await run({ cluster, quire });
    } finally {
      await quire.close();
    }
  } finally {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const leaderOf = async (topic: Topic<string>): Promise<number> => (await topic.partitions())[0]?.leader ?? 1;

async function failover(rounds: number): Promise<void> {
  await onStage(async ({ cluster, quire }) => {
    const topic = quire.topic<string>("failover");
    await topic.create({ partitions: 1, replicas: 3 });
    const pulse = new Pulse(topic, 0);
    const killed: number[] = [];
    const paused: number[] = [];
    for (let at = 0; at < rounds; at++) {
      await sleep(1_000);
      const nodeId = await leaderOf(topic);
      pulse.takeLongestMs();
      cluster.broker(nodeId).signal("SIGKILL");
      await cluster.broker(nodeId).gone();
      await sleep(2_500);
      killed.push(pulse.takeLongestMs());
      await cluster.broker(nodeId).start();
      await untilWhole(cluster.addresses, 3, WHOLE_MS);
    }
    for (let at = 0; at < Math.ceil(rounds / 3); at++) {
      await sleep(1_000);
      const nodeId = await leaderOf(topic);
      pulse.takeLongestMs();
      cluster.broker(nodeId).signal("SIGSTOP");
      await sleep(6_000);
      paused.push(pulse.takeLongestMs());
      cluster.broker(nodeId).signal("SIGCONT");
      await sleep(1_000);
      await untilWhole(cluster.addresses, 3, WHOLE_MS);
    }
    await pulse.stop();
    say(`pause in acknowledgements, leader killed (SIGKILL), ${rounds} times`, `median ${round(median(killed))} ms, longest ${round(Math.max(...killed))} ms`);
    say(
      `pause in acknowledgements, leader paused (SIGSTOP), ${paused.length} times`,
      `median ${round(median(paused))} ms, longest ${round(Math.max(...paused))} ms`,
    );
  });
}

async function firstRecord(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "quire-measure-"));
  const startMs = performance.now();
  const cluster = await LocalCluster.start({ folder, brokers: 3 });
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  const readyMs = performance.now() - startMs;
  const quire = await connect({ brokers: cluster.addresses });
  const topic = quire.topic<string>("first");
  await topic.create({ partitions: 6, replicas: 3 });
  await topic.send("hello");
  const firstMs = performance.now() - startMs;
  await quire.close();
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
  say("three brokers on a new folder: ready; first record of a new topic", `${round(readyMs)} ms; ${round(firstMs)} ms`);
}

function* values(bytes: number, each: number): Iterable<string> {
  const value = "x".repeat(each);
  for (let sent = 0; sent < bytes; sent += each) yield value;
}

async function restart(bytes: number): Promise<void> {
  await onStage(async ({ cluster, quire }) => {
    const topic = quire.topic<string>("large");
    await topic.create({ partitions: 1, replicas: 3 });
    const startMs = performance.now();
    await topic.sendAll(values(bytes, 10_000));
    say(`wrote ${round(bytes / 1e6)} MB to one partition, N=3 W=2, fsync`, `${round(bytes / 1e6 / ((performance.now() - startMs) / 1e3))} MB/s`);
    for (const how of ["killed", "stopped"] as const) {
      const broker = cluster.broker(2);
      if (how === "killed") broker.signal("SIGKILL");
      else await broker.stop();
      await broker.gone();
      const restartMs = performance.now();
      await broker.start();
      const listensMs = performance.now() - restartMs;
      await untilWhole(cluster.addresses, 3, WHOLE_MS);
      say(`restart with that log, ${how} before: listens; whole cluster`, `${round(listensMs)} ms; ${round(performance.now() - restartMs)} ms`);
    }
    say("peak memory of the brokers after that", memoryOf(cluster));
  });
}

const memoryOf = (cluster: LocalCluster): string => cluster.brokers.map((broker) => (broker.isRunning ? `${peakMiB(broker.pid)} MiB` : "down")).join(", ");

async function memory(bytes: number): Promise<void> {
  await onStage(async ({ cluster, quire }) => {
    const topic = quire.topic<string>("abuse");
    await topic.create({ partitions: 6, replicas: 3 });
    const stuck = await Promise.all(cluster.addresses.map((address) => openStuckConsumer(address, "abuse", 6)));
    await topic.sendAll(values(bytes, 1_000));
    say("peak memory: a producer that never waits, consumers that never read", memoryOf(cluster));
    cluster.broker(3).signal("SIGKILL");
    await cluster.broker(3).gone();
    await topic.sendAll(values(bytes, 1_000));
    say("peak memory: the same with a dead follower", memoryOf(cluster));
    for (const close of stuck) close();
    await cluster.broker(3).start();
    await untilWhole(cluster.addresses, 3, WHOLE_MS);
    const startMs = performance.now();
    let read = 0;
    for await (const batch of topic.read({ to: "latest" }).batches()) read += batch.size;
    say(`read all ${read.toLocaleString("en")} records of 1 kB from the start`, `${round((read * 1e3) / 1e6 / ((performance.now() - startMs) / 1e3))} MB/s`);
    say("peak memory after that", memoryOf(cluster));
  });
}

/** Many partitions at once, each with its own log and its own groups of writes; 5,000 keys, so that every batch is small. */
async function partitionFlood(partitions: number, records: number): Promise<void> {
  await onStage(async ({ cluster, quire }) => {
    const topic = quire.topic<string>("flood");
    const bytes = records * 1_000;
    let sent = 0;
    const key = (): string => `key-${sent++ % 5_000}`;
    await topic.create({ partitions, replicas: 3 });
    say(`peak memory: ${partitions.toLocaleString("en")} partitions`, memoryOf(cluster));
    await topic.sendAll(values(bytes, 1_000), { key });
    say("peak memory: a producer that never waits, over all of them", memoryOf(cluster));
    cluster.broker(3).signal("SIGKILL");
    await cluster.broker(3).gone();
    await topic.sendAll(values(bytes, 1_000), { key });
    say("peak memory: the same with a dead follower", memoryOf(cluster));
    await cluster.broker(3).start();
    await untilWhole(cluster.addresses, 3, WHOLE_MS);
    say("peak memory: when it is back", memoryOf(cluster));
  });
}

async function groups(): Promise<void> {
  for (const members of [100, 1_000]) await onStage(({ cluster, quire }) => measureGroups(cluster, quire, { members, partitions: 1_000, say }));
}

/** Not among those that run unasked: it takes as long as is said. */
async function consumers(minutes: number): Promise<void> {
  await onStage(async ({ cluster, quire }) => {
    if (!(await measureConsumers(cluster, quire, { minutes, say }))) process.exitCode = 1;
  });
}

const STAGES: Readonly<Record<string, () => Promise<void>>> = {
  "first-record": firstRecord,
  failover: () => failover(10),
  restart: () => restart(2_000 * MIB),
  groups,
  commits: () => onStage(({ cluster, quire }) => measureCommits(cluster, quire, say)),
  memory: async () => {
    await memory(600 * MIB);
    await partitionFlood(1_000, 200_000);
  },
};

const { values: flags, positionals: wanted } = parseArgs({ allowPositionals: true, options: { minutes: { type: "string", default: "5" } } });
const minutes = Number(flags.minutes);
if (!(minutes > 0)) throw new Error(`--minutes is ${flags.minutes}; use a number above 0`);
if (wanted.includes("consumers")) await consumers(minutes);
for (const [name, run] of Object.entries(STAGES)) if (wanted.length === 0 || wanted.includes(name)) await run();
