import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { nodeId } from "../../src/base/ids.js";
import { systemRandom } from "../../src/base/system-ports.js";
import { encodeCheckedJson } from "../../src/storage/checked-json.js";
import { type DataFolder, openDataFolder } from "../../src/storage/data-folder.js";
import { openLevelStore } from "../../src/storage/level-store.js";
import { nodeFiles } from "../../src/storage/node-files.js";

const folder = await mkdtemp(join(tmpdir(), "quire-data-"));
after(() => rm(folder, { recursive: true }));
let count = 0;
const fresh = (): string => join(folder, "deep", String(count++));
const open = (path: string, id = 1): Promise<DataFolder> =>
  openDataFolder({ files: nodeFiles, openStore: openLevelStore, folder: path, nodeId: nodeId(id), pid: process.pid, random: systemRandom });

test("an empty folder becomes this broker's, and stays it", async () => {
  const path = fresh();
  const data = await open(path);
  assert.equal(data.identity.nodeId, 1);
  await data.joinCluster("cluster-a");
  await data.joinCluster("cluster-a");
  await assert.rejects(data.joinCluster("cluster-b"), { reason: "DATA_FOLDER_MISMATCH", message: /cluster-a.*cluster-b/ });
  const { identity } = data;
  await data.close();
  const again = await open(path);
  assert.deepEqual(again.identity, identity);
  assert.equal(identity.clusterId, "cluster-a");
  await again.close();
});

test("a full disk is named, whoever meets it, and the folder is not left locked", async () => {
  const path = fresh();
  await (await open(path)).close();
  const options = { files: nodeFiles, openStore: openLevelStore, folder: path, nodeId: nodeId(1), pid: process.pid, random: systemRandom };
  const full = Object.assign(new Error("ENOSPC: no space left on device, open"), { code: "ENOSPC" });
  const named = { reason: "DISK_FULL", message: /the disk of .* is full, so the broker cannot start; free some space/ };
  await assert.rejects(openDataFolder({ ...options, files: { ...nodeFiles, open: () => Promise.reject(full) } }), named);
  const words = new Error("Database failed to open", { cause: new Error("IO error: /db/000005.ldb: No space left on device") });
  await assert.rejects(openDataFolder({ ...options, openStore: () => Promise.reject(words) }), named);
  await (await open(path)).close();
});

test("two folders are two incarnations", async () => {
  const [a, b] = await Promise.all([open(fresh()), open(fresh())]);
  assert.notEqual(a.identity.incarnation, b.identity.incarnation);
  await Promise.all([a.close(), b.close()]);
});

test("a folder of another node, a newer format or with a damaged identity is refused and left as it is", async () => {
  const path = fresh();
  const data = await open(path);
  await data.close();
  const file = join(path, "identity");
  const before = await readFile(file);
  await assert.rejects(open(path, 2), { reason: "DATA_FOLDER_MISMATCH", message: /node 1.*node 2.*nodeId/ });
  assert.deepEqual(await readFile(file), before);
  await writeFile(file, encodeCheckedJson({ ...data.identity, formatVersion: 2 }));
  await assert.rejects(open(path), { reason: "DATA_FOLDER_MISMATCH", message: /format 2/ });
  await writeFile(file, before.subarray(0, 20));
  await assert.rejects(open(path), { reason: "DATA_FOLDER_MISMATCH", message: /damaged/ });
  await writeFile(file, before);
  await (await open(path)).close();
});

test("replicas without an identity are nobody's to take", async () => {
  const path = fresh();
  await (await open(path)).close();
  await nodeFiles.makeFolder(join(path, "logs", "1-1"));
  await rm(join(path, "identity"));
  await assert.rejects(open(path), { reason: "DATA_FOLDER_MISMATCH", message: /no identity/ });
});

test("a second user of the folder is refused with the id of the first", async () => {
  const path = fresh();
  const data = await open(path);
  await assert.rejects(open(path), { reason: "DATA_FOLDER_IN_USE", message: new RegExp(`process ${process.pid}`) });
  await data.close();
  await (await open(path)).close();
});

const HOLDER = `
  const { openDataFolder } = await import(process.argv[1]);
  const { nodeFiles } = await import(process.argv[2]);
  const { openLevelStore } = await import(process.argv[3]);
  await openDataFolder({ files: nodeFiles, openStore: openLevelStore, folder: process.argv[4], nodeId: 1, pid: process.pid, random: { uuid: () => "other", below: () => 0 } });
  console.log("open");
  setInterval(() => {}, 1000);
`;

async function holder(path: string): Promise<ChildProcess> {
  const module = (name: string): string => new URL(`../../src/storage/${name}.js`, import.meta.url).href;
  const child = spawn(process.execPath, ["--input-type=module", "-e", HOLDER, module("data-folder"), module("node-files"), module("level-store"), path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

test("another process is refused while one lives, and let in at once after it was killed", async () => {
  const path = fresh();
  const child = await holder(path);
  await assert.rejects(open(path), { reason: "DATA_FOLDER_IN_USE", message: new RegExp(`process ${child.pid}`) });
  child.kill("SIGKILL");
  await once(child, "exit");
  const data = await open(path);
  assert.equal(data.identity.incarnation, "other");
  await data.close();
});
