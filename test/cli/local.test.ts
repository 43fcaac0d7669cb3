import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BrokerProcess } from "../../src/cli/local/broker-process.js";
import { attention } from "../../src/cli/local/log-lines.js";
import { freePorts } from "../../src/cli/local/ports.js";

test("a broker that does not start says why, and its last words are in its log", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quire-local-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const deaths: string[] = [];
  const logFile = join(folder, "logs", "broker.log");
  const broker = new BrokerProcess({ nodeId: 1, address: "127.0.0.1:1", flags: ["--node-id", "zero"], logFile, onDeath: (how) => deaths.push(how) });
  await assert.rejects(broker.start(), /broker 1 did not start:\nquire: nodeId is "zero" \(flag --node-id\), which is not a whole number/);
  assert.equal(broker.isRunning, false);
  assert.deepEqual(deaths, []);
  assert.match(readFileSync(logFile, "utf8"), /nodeId is "zero"/);
  assert.equal(await broker.stop(), true);
});

test("a broker whose folder is in use ends, though its parent holds a channel to it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quire-local-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const brokers = await Promise.all(
    ["first", "second"].map(async (name) => {
      const [client, peer] = await freePorts(2);
      const flags = ["--data-folder", join(folder, "data"), "--listen", `127.0.0.1:${client}`, "--peer-listen", `127.0.0.1:${peer}`];
      return new BrokerProcess({ nodeId: 1, address: `127.0.0.1:${client}`, flags, logFile: join(folder, `${name}.log`) });
    }),
  );
  const [first, second] = brokers;
  assert.ok(first !== undefined && second !== undefined);
  t.after(() => Promise.all(brokers.map((broker) => broker.stop())));
  await first.start();
  await assert.rejects(second.start(), /is in use by process \d+/);
  assert.equal(second.isRunning, false);
});

test("of a broker's log people see warnings, errors and what is no log line", () => {
  assert.equal(attention('{"level":"info","time":"x","msg":"ready"}'), undefined);
  assert.equal(attention('{"level":"warn","time":"x","peer":2,"why":"closed","msg":"peer down"}'), "warn: peer down peer=2 why=closed");
  assert.equal(attention("Segmentation fault"), "Segmentation fault");
  assert.equal(attention("null"), "null");
});

test("free ports are consecutive, below those of outgoing connections, and given once", async () => {
  const [first, second] = await Promise.all([freePorts(6), freePorts(103)]);
  for (const ports of [first, second]) {
    assert.ok(ports.every((port, at) => at === 0 || port === (ports[at - 1] ?? 0) + 1));
    assert.ok(ports.every((port) => port > 10_000 && port < 32_768));
  }
  assert.equal(new Set([...first, ...second]).size, 109);
});

test("two processes choose from different ports", async () => {
  const script = `import { freePorts } from ${JSON.stringify(new URL("../../src/cli/local/ports.js", import.meta.url).href)};
    console.log(JSON.stringify(await freePorts(50)));
    process.stdin.once("data", () => process.exit());`;
  const run = (): { ports: Promise<number[]>; end: () => Promise<unknown> } => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: ["pipe", "pipe", "inherit"] });
    const said = once(child.stdout, "data").then(([chunk]) => JSON.parse(String(chunk)) as number[]);
    return {
      ports: said,
      end: () => {
        child.stdin.end("go");
        return once(child, "exit");
      },
    };
  };
  const children = [run(), run(), run()];
  const ports = await Promise.all(children.map((child) => child.ports));
  assert.equal(new Set(ports.flat()).size, 150);
  await Promise.all(children.map((child) => child.end()));
});
