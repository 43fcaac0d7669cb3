import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { encodeCheckedJson } from "../../src/storage/checked-json.js";
import { runQuire } from "../support/run-quire.js";
import { TestCluster } from "./test-cluster.js";

const HANGS_MS = 20_000;

/** Runs `quire server`, which must end by itself and without success. Returns its one line on standard error. */
async function refusal(flags: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stderr } = await runQuire(["server", ...flags], { environment, timeoutMs: HANGS_MS });
  assert.ok(code === 1 || code === 2, `exit code ${code}: ${stderr}`);
  const lines = stderr.trimEnd().split("\n");
  assert.ok(lines.length === 1 && lines[0]?.startsWith("quire: "), stderr);
  return stderr;
}

/** Every file below a folder and what is in it. LevelDB's own diary is left out: it is begun anew by every try to open. */
function contents(folder: string): Record<string, string> {
  const files = fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => fs.statSync(path.join(folder, name)).isFile());
  const hash = (name: string): string =>
    createHash("sha256")
      .update(fs.readFileSync(path.join(folder, name)))
      .digest("hex");
  return Object.fromEntries(files.filter((name) => !/^db\/LOG/.test(name)).map((name) => [name, hash(name)]));
}

/** A cluster of one with a record in it, and the flags that its broker runs with. */
async function withRecord(t: TestContext): Promise<{ cluster: TestCluster; flags: readonly string[]; folder: string; identity: string }> {
  const cluster = await TestCluster.start({ brokers: 1 });
  t.after(() => cluster[Symbol.asyncDispose]());
  const topic = (await cluster.connect()).topic<string>("kept");
  await topic.create();
  await topic.send("still here");
  const folder = cluster.dataFolder(1);
  return { cluster, flags: cluster.broker(1).commandLine.split(" ").slice(2), folder, identity: path.join(folder, "identity") };
}

/** The broker starts on its folder again and has its record. */
async function startsAgain(cluster: TestCluster): Promise<void> {
  await cluster.broker(1).start();
  const values: unknown[] = [];
  for await (const record of (await cluster.connect()).topic<string>("kept").read({ to: "latest" })) values.push(record.value);
  assert.deepEqual(values, ["still here"]);
}

const replaced = (flags: readonly string[], flag: string, value: string): string[] => flags.map((word, at) => (flags[at - 1] === flag ? value : word));

test("a data folder in use by a running process is refused with that process's id, and that one goes on", async (t) => {
  const { cluster, flags, folder } = await withRecord(t);
  const elsewhere = replaced(replaced(flags, "--listen", "127.0.0.1:0"), "--peer-listen", "127.0.0.1:0");
  const said = await refusal(elsewhere);
  assert.ok(said.includes(folder) && said.includes(`in use by process ${cluster.broker(1).pid};`), said);
  assert.match(said, /give this broker another folder/);
  assert.equal(fs.readFileSync(path.join(folder, "broker.pid"), "utf8").trim(), String(cluster.broker(1).pid));
  await (await cluster.connect()).topic<string>("kept").send("more");
});

test("a data folder of another node, another format, or with a damaged identity is refused and stays as it is", async (t) => {
  const { cluster, flags, folder, identity } = await withRecord(t);
  await cluster.broker(1).stop();
  const own = fs.readFileSync(identity);
  const before = contents(folder);
  const otherNode = replaced(replaced(flags, "--node-id", "2"), "--peers", "2@127.0.0.1:9");
  assert.match(await refusal(otherNode), /belongs to node 1, and this is node 2; give each broker its own data folder, or correct nodeId/);
  assert.deepEqual(contents(folder), before);

  const later = encodeCheckedJson({ ...JSON.parse(own.toString("utf8", 9)), formatVersion: 7 });
  const damaged = Buffer.concat([own.subarray(0, 30), Buffer.from("?"), own.subarray(31)]);
  for (const [bytes, why] of [
    [later, /it has format 7, and this release knows formats up to 1; run the release that wrote it/],
    [damaged, /its identity file is damaged; restore that file, or remove the folder/],
  ] as const) {
    fs.writeFileSync(identity, bytes);
    const changed = contents(folder);
    assert.match(await refusal(flags), why);
    assert.deepEqual(contents(folder), changed);
  }
  fs.writeFileSync(identity, own);
  await startsAgain(cluster);
});

test("what belongs to different clusters, or lost its database, is refused and can be put right", async (t) => {
  const [{ cluster, flags, folder, identity }, other] = [await withRecord(t), await withRecord(t)];
  await Promise.all([cluster.broker(1).stop(), other.cluster.broker(1).stop()]);
  const own = fs.readFileSync(identity);
  const clusterIdOf = (bytes: Buffer): string => JSON.parse(bytes.toString("utf8", 9)).clusterId;
  const foreign = fs.readFileSync(other.identity);
  fs.writeFileSync(identity, foreign);
  const mixed = await refusal(flags);
  assert.ok(mixed.includes(`cluster ${clusterIdOf(own)}`), mixed);
  assert.match(mixed, /restore what belongs together/);

  // The same disk, but in another cluster by its identity.
  fs.writeFileSync(identity, encodeCheckedJson({ ...JSON.parse(own.toString("utf8", 9)), clusterId: clusterIdOf(foreign) }));
  const moved = await refusal(flags);
  assert.ok(moved.includes(`it belongs to cluster ${clusterIdOf(foreign)}, and this is cluster ${clusterIdOf(own)}; correct the list of peers`), moved);

  // Without its database it has forgotten its votes, and must not come back as itself.
  fs.writeFileSync(identity, own);
  fs.renameSync(path.join(folder, "db"), path.join(folder, "db.aside"));
  const forgot = await refusal(flags);
  assert.match(forgot, /its database belongs to none; restore the database, or remove the folder and let this broker join anew/);
  fs.rmSync(path.join(folder, "db"), { recursive: true });
  fs.renameSync(path.join(folder, "db.aside"), path.join(folder, "db"));
  await startsAgain(cluster);
});

test("a port that is taken is refused before anything is written", async (t) => {
  const { cluster, flags } = await withRecord(t);
  const folder = path.join(cluster.folder, "new");
  const blank = replaced(replaced(flags, "--data-folder", folder), "--peers", "1@127.0.0.1:9");
  const [listen = "", peerListen = ""] = ["--listen", "--peer-listen"].map((flag) => flags[flags.indexOf(flag) + 1]);
  const taken = await refusal(replaced(blank, "--peer-listen", "127.0.0.1:0"));
  assert.ok(taken.includes(`cannot listen at ${listen}`) && taken.includes("choose another address (listen)"), taken);
  const peerTaken = await refusal(replaced(blank, "--listen", "127.0.0.1:0"));
  assert.ok(peerTaken.includes(`cannot listen at ${peerListen}`) && peerTaken.includes("choose another address (peerListen)"), peerTaken);
  assert.equal(fs.existsSync(folder), false);
});

test("misspelt, contradicting and impossible settings are refused by name before anything is written", async (t) => {
  const parent = fs.mkdtempSync(path.join(os.tmpdir(), "quire-test-"));
  t.after(() => fs.rmSync(parent, { recursive: true, force: true }));
  const folder = path.join(parent, "new");
  const base = ["--data-folder", folder, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];
  const file = path.join(parent, "quire.yaml");
  fs.writeFileSync(file, "nodeId: 1\ntopics:\n  retentionMS: 5d\n");
  assert.match(await refusal([...base, "--config", file]), /quire\.yaml: setting topics\.retentionMS is not a setting; did you mean topics\.retentionMs\?/);
  assert.match(await refusal(base, { QUIRE_NOD_ID: "1" }), /environment variable QUIRE_NOD_ID is not a setting; did you mean QUIRE_NODE_ID\?/);
  assert.match(await refusal([...base, "--cache-bytes-max", "1MiB"]), /cache\.bytesMax is "1MiB" \(flag --cache-bytes-max\), which is outside 4 MiB to 64 GiB/);
  const peers = ["--node-id", "4", "--peers", "1@127.0.0.1:7,2@127.0.0.1:8,3@127.0.0.1:9"];
  assert.match(await refusal([...base, ...peers]), /nodeId 4 is not among peers \(1, 2, 3\); add 4@host:port, or set join instead/);
  const withBoth = [...base, "--node-id", "1", "--peers", "1@127.0.0.1:7", "--join", "127.0.0.1:8"];
  assert.match(await refusal(withBoth), /both peers and join are set/);
  assert.equal(fs.existsSync(folder), false);
});
