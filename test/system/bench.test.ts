import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { type Ran, runQuire } from "../support/run-quire.js";
import { TestCluster } from "./test-cluster.js";

interface Quantiles {
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

interface Phase {
  readonly name: string;
  readonly seconds: number;
  readonly acknowledged: { readonly recordsPerSecond: number; readonly megabytesPerSecond: number } | null;
  readonly consumed: { readonly recordsPerSecond: number; readonly megabytesPerSecond: number } | null;
  readonly acknowledgementMs: Quantiles | null;
  readonly endToEndMs: Quantiles | null;
  readonly processes: readonly Readonly<Record<string, number | string | null>>[];
}

interface Result {
  readonly mode: string;
  readonly conditions: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly phases: readonly Phase[];
  readonly totals: { readonly acknowledged: number; readonly consumed: number; readonly missing: number; readonly failed: number };
  readonly figures: Readonly<Record<string, number | readonly number[] | null>>;
}

const RUN_MS_MAX = 240_000;
const BROKERS = ["broker 1", "broker 2", "broker 3"];

const bench = (args: string, folder?: string): Promise<Ran> =>
  runQuire(["bench", ...args.split(" ")], { timeoutMs: RUN_MS_MAX, ...(folder === undefined ? {} : { environment: { TMPDIR: folder } }) });

/** Runs a benchmark with a cluster of its own; it must succeed and leave nothing behind. */
async function result(args: string): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "quire-bench-test-"));
  try {
    const { code, stdout, stderr } = await bench(`${args} --json`, folder);
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith("quire-")),
      [],
    );
    const found = JSON.parse(stdout) as Result;
    assert.deepEqual([found.totals.failed, found.totals.missing], [0, 0]);
    for (const phase of found.phases) isPlausible(phase);
    return found;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isPlausible({ seconds, acknowledgementMs, endToEndMs, processes }: Phase): void {
  assert.ok(seconds > 0 && seconds < 200);
  for (const latency of [acknowledgementMs, endToEndMs]) {
    if (latency === null) continue;
    const { p50, p99, p999, max, samples } = latency;
    assert.ok(0 < p50 && p50 <= p99 && p99 <= p999 && p999 <= max && max < 100_000 && samples > 0, JSON.stringify(latency));
  }
  for (const { name, cpuSeconds, peakBytes, residentBytes, loopDelayMsP99 } of processes) {
    assert.ok(Number(cpuSeconds) >= 0 && Number(cpuSeconds) < seconds * 16, `${name} took ${cpuSeconds} s of CPU in ${seconds} s`);
    assert.ok(Number(residentBytes) > 20e6 && Number(peakBytes) >= Number(residentBytes) * 0.9 && Number(peakBytes) < 2e9, `${name}: ${peakBytes} bytes`);
    assert.ok(Number(loopDelayMsP99) >= 0);
  }
}

const only = <T>(list: readonly T[]): T => {
  assert.equal(list.length, 1);
  return list[0] as T;
};
const namesOf = ({ processes }: Phase): unknown[] => processes.map(({ name }) => name).sort();
const named = ({ processes }: Phase, name: string) => processes.find((each) => each["name"] === name) ?? {};

test("end to end: both sides count the same records, and every process says what it took", async () => {
  const { mode, conditions, options, phases, totals } = await result("end-to-end --cluster 3 --duration 2s --warm-up 500ms --consumers 2");
  const phase = only(phases);
  assert.deepEqual([mode, options["partitions"], typeof conditions["cores"]], ["end-to-end", 6, "number"]);
  assert.deepEqual(namesOf(phase), [...BROKERS, "consumer 1", "consumer 2", "producer 1"]);
  assert.ok(totals.acknowledged > 100);
  assert.equal(totals.consumed, totals.acknowledged);
  const { acknowledged, consumed } = phase;
  assert.ok(acknowledged !== null && consumed !== null && acknowledged.recordsPerSecond > 10 && consumed.recordsPerSecond > 10);
  assert.ok(Math.abs(acknowledged.megabytesPerSecond - acknowledged.recordsPerSecond / 1e4) < 1e-6, "100 bytes a record");
  assert.ok(phase.acknowledgementMs !== null && phase.endToEndMs !== null);
  for (const broker of BROKERS) {
    const { syncsPerSecond, messagesPerSecond, bytesPerMessage, cpuSecondsPerGigabyte } = named(phase, broker);
    assert.ok(Number(syncsPerSecond) > 0 && Number(messagesPerSecond) > 0 && Number(bytesPerMessage) > 5 && Number(cpuSecondsPerGigabyte) > 0);
  }
  assert.equal(named(phase, "producer 1")["syncsPerSecond"], 0);
  assert.ok(Number(named(phase, "producer 1")["bytesPerMessage"]) > 100);
});

test("latency: as many records as the rate asks for, by producers in several processes", async () => {
  const { phases, totals } = await result("latency --cluster 3 --rate 500 --duration 2s --warm-up 1s --producers 3 --processes 2 --keys 50");
  const phase = only(phases);
  assert.deepEqual(namesOf(phase), [...BROKERS, "consumer 1", "producer 1", "producer 2"]);
  const { acknowledged, acknowledgementMs, endToEndMs } = phase;
  assert.ok(acknowledged !== null && acknowledged.recordsPerSecond > 250 && acknowledged.recordsPerSecond < 1_000, JSON.stringify(acknowledged));
  assert.ok(acknowledgementMs !== null && endToEndMs !== null && acknowledgementMs.samples > 500 && endToEndMs.samples > 500);
  assert.equal(totals.consumed, totals.acknowledged);
});

test("produce, one at a time: as many answers as records, and profiles where they were asked for", async () => {
  const profiles = mkdtempSync(join(tmpdir(), "quire-profiles-"));
  try {
    const { phases, totals } = await result(
      `produce --cluster 1 --producers 2 --under-way 1 --record-bytes 1KiB --duration 1s --warm-up 500ms --profile ${profiles}`,
    );
    const { acknowledgementMs, consumed, acknowledged } = only(phases);
    assert.ok(acknowledgementMs !== null && acknowledged !== null && consumed === null);
    assert.ok(totals.acknowledged >= acknowledgementMs.samples);
    assert.deepEqual(readdirSync(profiles).sort(), ["broker-1-measured.cpuprofile", "producer-1-measured.cpuprofile"]);
    const profile = JSON.parse(readFileSync(join(profiles, "broker-1-measured.cpuprofile"), "utf8")) as { nodes: unknown[] };
    assert.ok(profile.nodes.length > 10);
  } finally {
    rmSync(profiles, { recursive: true, force: true });
  }
});

test("consume: all that was filled in is read, cold, while others produce", async () => {
  const { phases, totals, figures } = await result("consume --cold --bytes 2MB --rate 300 --duration 1s --warm-up 500ms --record-bytes 1KiB");
  const [before, reading] = phases;
  assert.deepEqual(
    phases.map(({ name }) => name),
    ["before", "reading"],
  );
  assert.ok(before?.consumed === null && before.acknowledged !== null && reading !== undefined && reading.consumed !== null && reading.acknowledged !== null);
  assert.ok(totals.consumed * 1024 >= 2e6 && totals.acknowledged > totals.consumed);
  assert.ok(Number(figures["readSeconds"]) > 0 && Number(figures["fillMegabytesPerSecond"]) > 0);
});

test("failover: a round for each kill, with its pause, and nothing is lost for the producer", async () => {
  const { phases, figures, totals } = await result("failover --rounds 1 --duration 3s --warm-up 500ms --rate 200");
  assert.equal(only(phases).processes.length, 3, "two brokers are left, and a producer");
  const pause = Number(figures["longestPauseMsMax"]);
  assert.ok(pause > 50 && pause < 60_000, `${pause} ms`);
  assert.deepEqual(figures["longestPausesMs"], [pause]);
  assert.ok(totals.acknowledged > 300);
});

test("recovery: a broker starts again over its log, after a stop and after a kill", async () => {
  const { phases, figures } = await result("recovery --bytes 2MB --record-bytes 1KiB");
  assert.ok(Number(figures["logBytes"]) > 2e6);
  for (const how of ["stopped", "killed"]) {
    const [listensMs, wholeMs] = [Number(figures[`${how}ListensMs`]), Number(figures[`${how}WholeMs`])];
    assert.ok(listensMs > 0 && listensMs <= wholeMs, `${how}: ${listensMs} and ${wholeMs} ms`);
  }
  assert.deepEqual(namesOf(only(phases)), BROKERS);
});

test("catch-up: a follower that was down is seen to reach the others", async () => {
  const { phases, figures } = await result("catch-up --down 1s --duration 1s --warm-up 500ms --rate 300 --record-bytes 4KiB");
  assert.deepEqual(
    phases.map(({ name, processes }) => [name, processes.length]),
    [
      ["before", 4],
      ["down", 3],
      ["catching up", 4],
    ],
  );
  assert.ok(Number(figures["caughtUpMs"]) >= 0);
});

test("partitions: what they cost idle, and under a load spread over them", async () => {
  const { phases, figures, totals } = await result("partitions --cluster 3 --partitions 30 --settle 1s --duration 1s --warm-up 500ms --rate 200");
  assert.deepEqual(
    phases.map(({ name }) => name),
    ["without the topic", "idle", "measured"],
  );
  assert.ok(Number(figures["createMs"]) > 0 && Number(figures["idleCpuShareMax"]) >= 0);
  assert.equal(typeof figures["residentBytesPerPartition"], "number");
  assert.ok(totals.acknowledged > 100);
});

test("on a cluster that is there: its topic goes, brokers' figures are not invented, and the table is for people", async () => {
  await using cluster = await TestCluster.start({ brokers: 1 });
  const brokers = `--brokers ${cluster.addresses.join(",")}`;
  const { code, stdout, stderr } = await bench(`end-to-end --duration 1s --warm-up 200ms --partitions 2 ${brokers}`);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^MEASURED \(\d.* S\) +RECORDS\/S +MB\/S +P50 MS/m);
  assert.match(stdout, /^producer 1 /m);
  assert.doesNotMatch(stdout, /^broker/m);
  assert.match(stdout, /In all: [\d,]+ records acknowledged, [\d,]+ records consumed\./);
  const quire = await cluster.connect();
  assert.deepEqual(await quire.topics(), []);
});

test("what cannot be is refused before anything is started; an interrupted run clears up", async () => {
  const wrong = await bench("failover --brokers 127.0.0.1:1");
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /starts its own/);
  const folder = mkdtempSync(join(tmpdir(), "quire-bench-test-"));
  try {
    const interrupted = await runQuire(["bench", "produce", "--cluster", "1", "--data", folder, "--duration", "10min"], {
      timeoutMs: RUN_MS_MAX,
      onStart: (child) => {
        const timer = setInterval(() => {
          // The broker has begun: there is something to clear up.
          if (readdirSync(folder).some((name) => existsSync(join(folder, name, "broker-1.log")))) {
            clearInterval(timer);
            child.kill("SIGINT");
          }
        }, 20);
        child.once("exit", () => clearInterval(timer));
      },
    });
    assert.deepEqual([interrupted.code, interrupted.stderr], [130, "quire: interrupted\n"]);
    assert.deepEqual(readdirSync(folder), []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

const bytesIn = (folder: string): number => (existsSync(folder) ? readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) : 0);

test("what a benchmark that was killed left behind goes with the next one; a broker that ends in the middle is told of", async () => {
  const folder = mkdtempSync(join(tmpdir(), "quire-bench-test-"));
  try {
    const { pid = 0 } = spawnSync(process.execPath, ["-e", ""]);
    const kept = join(folder, `quire-bench-elsewhere-${pid}-a`);
    for (const left of [kept, join(folder, `quire-bench-${hostname()}-${pid}-a`), join(folder, `quire-bench-${hostname()}-${process.pid}-a`)]) mkdirSync(left);
    const { code, stderr } = await runQuire(
      ["bench", "produce", "--cluster", "3", "--data", folder, "--duration", "5s", "--warm-up", "500ms", "--rate", "500", "--record-bytes", "1KiB"],
      {
        timeoutMs: RUN_MS_MAX,
        onStart: (child) => {
          const timer = setInterval(() => {
            const broker = readdirSync(folder)
              .map((name) => join(folder, name, "broker-3"))
              .find((each) => existsSync(join(each, "broker.pid")) && bytesIn(join(each, "journal")) > 300_000);
            // Records flow.
            if (broker === undefined) return;
            clearInterval(timer);
            process.kill(Number.parseInt(readFileSync(join(broker, "broker.pid"), "utf8"), 10), "SIGKILL");
          }, 50);
          child.once("exit", () => clearInterval(timer));
        },
      },
    );
    assert.equal(code, 1, stderr);
    assert.match(stderr, /Broker 3 ended with SIGKILL while it was measured/);
    assert.deepEqual(readdirSync(folder).sort(), [basename(kept), `quire-bench-${hostname()}-${process.pid}-a`].sort());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("end-to-end, without acknowledgement: what is on its way still when the producers stop is not missing", async () => {
  const { totals } = await result("end-to-end --cluster 3 --acks none --record-bytes 1KiB --duration 1s --warm-up 500ms");
  assert.ok(totals.acknowledged > 0);
  assert.deepEqual([totals.missing, totals.failed], [0, 0]);
});
