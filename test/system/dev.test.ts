import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts } from "../../src/cli/local/ports.js";
import { type Ran, runQuire } from "../support/run-quire.js";

/** `quire dev`, running; `stop` is Ctrl-C. */
interface Dev {
  readonly portBase: number;
  readonly child: ChildProcess;
  readonly said: string;
  readonly startedInMs: number;
  stop(): Promise<Ran>;
}

/** Runs `quire dev` until it says that it is ready. */
async function startDev(folder: string, portBase: number): Promise<Dev> {
  const startMs = performance.now();
  let ended: Promise<Ran> | undefined;
  const ready = new Promise<{ child: ChildProcess; said: string }>((resolve, reject) => {
    ended = runQuire(["dev", "--data", folder, "--port-base", String(portBase)], {
      onOutput: (child, said) => {
        if (said.includes("Ctrl-C stops it.")) resolve({ child, said });
      },
    });
    ended.then(({ code, stderr }) => reject(new Error(`quire dev ended with ${code}: ${stderr}`)), reject);
  });
  const { child, said } = await ready;
  return {
    portBase,
    child,
    said,
    startedInMs: performance.now() - startMs,
    stop: async () => {
      child.kill("SIGINT");
      return (await ended) as Ran;
    },
  };
}

/** The first of three ports for clients; the three for brokers are 100 above. */
async function freePortBase(): Promise<number> {
  const [first] = await freePorts(103);
  assert.ok(first !== undefined);
  return first;
}

test("a user starts a cluster, uses it, loses a broker, goes on, stops it, and finds everything again", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quire-dev-"));
  let dev = await startDev(folder, await freePortBase());
  t.after(async () => {
    await dev.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const { portBase } = dev;
  const brokers = ["--brokers", [0, 1, 2].map((at) => `127.0.0.1:${portBase + at}`).join(",")];
  const quire = (args: readonly string[], input?: string): Promise<Ran> => runQuire([...args, ...brokers], input === undefined ? {} : { input });
  const good = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await quire(args, input);
    assert.equal(code, 0, `quire ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  assert.match(dev.said, /Quire runs: 3 brokers/);
  assert.match(dev.said, /quire topic create orders/);

  assert.match(await good(["topic", "create", "orders", "--partitions", "3"]), /3 partitions, N=3 W=2 R=2/);
  await good(["produce", "orders"], "one\ntwo\nthree\n");
  assert.match(await good(["topic", "explain", "orders"]), /Now each of its 3 partitions \(all replicas up\) goes on when one broker fails/);
  assert.match(await good(["topic", "describe", "orders"]), /PARTITION +LEADER/);
  assert.match(await good(["topic", "list"]), /orders +3 +3 +2 +2/);
  assert.match(await good(["cluster", "status"]), /Every partition has a leader and all its replicas/);
  assert.equal((await quire(["topic", "create", "orders"])).code, 5);

  const pid = Number(/^1 +\S+ +(\d+)/m.exec(dev.said)?.[1]);
  process.kill(pid, "SIGKILL");
  await good(["produce", "orders"], "four\n");
  assert.match((await good(["topic", "explain", "orders"])).toString(), /broker 1 down/);
  assert.deepEqual((await good(["consume", "orders", "--count", "4"])).trim().split("\n").sort(), ["four", "one", "three", "two"]);

  const stopped = await dev.stop();
  assert.equal(stopped.code, 0, stopped.stderr);
  assert.match(stopped.stderr, /Broker 1 died \(SIGKILL\); 2 are left/);
  assert.match(stopped.stderr, /Stopped\. The data stays in/);

  dev = await startDev(folder, portBase);
  assert.deepEqual((await good(["consume", "orders", "--to-end"])).trim().split("\n").sort(), ["four", "one", "three", "two"]);
  assert.equal(await good(["topic", "delete", "orders"]), "Topic orders and its records are deleted.\n");
  assert.equal((await quire(["topic", "describe", "orders"])).code, 4);
});

test("Ctrl-C at any moment of the start ends it, and says so", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quire-dev-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const portBase = await freePortBase();
  for (const afterMs of [300, 900, 1_200, 1_500]) {
    const ran = runQuire(["dev", "--data", folder, "--port-base", String(portBase)], {
      timeoutMs: 20_000,
      onStart: (child) => setTimeout(() => child.kill("SIGINT"), afterMs),
    });
    const { code, stdout, stderr } = await ran;
    // On a busy machine Node itself may still be starting: then the signal ends a process that has not done anything.
    if (code === "SIGINT" && stdout === "" && stderr === "") continue;
    assert.equal(code, 0, `after ${afterMs} ms: ${stderr}`);
    assert.match(stderr, /Stopped/);
  }
});

test("a port in use is said, with a way out", async (t) => {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const { code, stderr } = await runQuire(["dev", "--port-base", String(Math.min(port, 65_400)), "--data", join(tmpdir(), "quire-never")]);
  assert.equal(code, 2);
  assert.match(stderr, /port \d+ is in use; is a cluster running here already\? Otherwise choose others: --port-base/);
});
