/** What committing each record costs: the same records at the same rate, and as fast as can be, with commits and without, in turns. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LocalCluster } from "../../src/cli/local/local-cluster.js";
import { bytes, type Quire, type Topic } from "../../src/client/index.js";

const PROGRAM = path.join(import.meta.dirname, "commit-process.js");
const PARTITIONS = 6;
const RECORD_BYTES = 100;
const RATE = 100_000;
const TURN_MS = 10;
const RECORDS = 1_000_000;
const ROUNDS = 3;
const WAYS = ["never", "each", "by-hand"] as const;
/** Linux counts processor time in hundredths of a second. */
const TICKS_PER_SECOND = 100;

type Say = (what: string, figure: string) => void;

interface Figures {
  readonly seconds: number;
  readonly consumerSeconds: number;
  readonly brokerSeconds: number;
}

export async function measureCommits(cluster: LocalCluster, quire: Quire, say: Say): Promise<void> {
  const value = Buffer.alloc(RECORD_BYTES, "x");
  const stored = await created(quire, "stored");
  await stored.sendAll(Array.from({ length: RECORDS }, () => value));
  await inTurns("as fast as can be", say, (way, round) => consumed(cluster, "stored", `stored-${way}-${round}`, way));
  const live = await created(quire, "live");
  await inTurns(`at ${RATE.toLocaleString("en")} records/s`, say, async (way, round) => {
    const group = `live-${way}-${round}`;
    // Begins where this run does.
    await quire.groups().reset(group, { topics: ["live"], to: "latest" });
    const figures = consumed(cluster, "live", group, way);
    await sleep(2_000);
    await paced(live, value);
    return await figures;
  });
}

async function created(quire: Quire, name: string): Promise<Topic<Uint8Array>> {
  const topic = quire.topic<Uint8Array>(name, { serializer: bytes });
  await topic.create({ partitions: PARTITIONS, replicas: 3 });
  return topic;
}

async function paced(topic: Topic<Uint8Array>, value: Uint8Array): Promise<void> {
  const startMs = performance.now();
  for (let sent = 0; sent < RECORDS; await sleep(TURN_MS)) {
    const due = Math.min(RECORDS, Math.floor(((performance.now() - startMs) * RATE) / 1_000));
    await topic.sendAll(Array.from({ length: due - sent }, () => value));
    sent = due;
  }
}

/** Runs the ways one after the other, several times, so that what else the machine does meets all of them. */
async function inTurns(title: string, say: Say, run: (way: string, round: number) => Promise<Figures>): Promise<void> {
  const all = new Map<string, Figures[]>(WAYS.map((way) => [way, []]));
  for (let round = 0; round < ROUNDS; round++) for (const way of WAYS) all.get(way)?.push(await run(way, round));
  const medianOf = (way: string, of: (figures: Figures) => number): number => median((all.get(way) ?? []).map(of));
  const cpu = ({ consumerSeconds, brokerSeconds }: Figures): number => consumerSeconds + brokerSeconds;
  for (const way of WAYS) {
    const rate = RECORDS / medianOf(way, ({ seconds }) => seconds);
    // Of each round, as the machine may be slower in one than in the next.
    const ratio = (of: (figures: Figures) => number): string => {
      const ratios = (all.get(way) ?? []).map((figures, round) => of(figures) / of(all.get("never")?.[round] ?? figures));
      return `${median(ratios).toFixed(2)} (${ratios.map((each) => each.toFixed(2)).join(", ")})`;
    };
    say(
      `commits ${way}, ${title}`,
      `${Math.round(rate).toLocaleString("en")} records/s; processor: consumer ${medianOf(way, ({ consumerSeconds }) => consumerSeconds).toFixed(2)} s, ` +
        `brokers ${medianOf(way, ({ brokerSeconds }) => brokerSeconds).toFixed(2)} s; against never: time ${ratio(({ seconds }) => seconds)}, processor ${ratio(cpu)}`,
    );
  }
}

async function consumed(cluster: LocalCluster, topic: string, group: string, way: string): Promise<Figures> {
  const before = brokerSeconds(cluster);
  const child = spawn(process.execPath, [PROGRAM, cluster.addresses.join(","), topic, group, way, String(RECORDS)], { stdio: ["ignore", "pipe", "inherit"] });
  let line = "";
  child.stdout.on("data", (chunk: Buffer) => {
    line += chunk.toString();
  });
  await once(child, "close");
  const [seconds = 0, consumerSeconds = 0] = line.split(" ").map(Number);
  return { seconds, consumerSeconds, brokerSeconds: brokerSeconds(cluster) - before };
}

function brokerSeconds(cluster: LocalCluster): number {
  return cluster.brokers.reduce((sum, { pid }) => {
    // User and system time come 11 and 12 fields behind the name, which may hold spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }, 0);
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
