import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import type { Topic } from "../../src/client/index.js";
import { TestCluster, until } from "./test-cluster.js";

const WHOLE_MS = 60_000;
const VICTIM = 3;
const RECORDS = 400;

const valueAt = (number: number): string => `${number} ${String(number % 10).repeat(10_000)}`;

/** Folders of the victim's logs that hold records, by size. */
function logsOf(cluster: TestCluster): string[] {
  const logs = join(cluster.dataFolder(VICTIM), "logs");
  const bytes = (folder: string): number => readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  return readdirSync(logs)
    .map((name) => join(logs, name))
    .filter((folder) => bytes(folder) > 500_000)
    .sort((a, b) => bytes(b) - bytes(a));
}

/** Turns some bits in the middle of the oldest segment. */
function flipBits(folder: string): void {
  const segments = readdirSync(folder)
    .filter((name) => statSync(join(folder, name)).size > 100_000)
    .sort();
  const file = openSync(join(folder, segments[0] ?? ""), "r+");
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, 60_000);
  byte[0] = (byte[0] ?? 0) ^ 0xff;
  writeSync(file, byte, 0, 1, 60_000);
  closeSync(file);
}

/** Everything of a partition as its present leader has it. */
async function readAll(topic: Topic<string>, partition: number): Promise<string[]> {
  const values: string[] = [];
  for await (const record of topic.read({ from: "earliest", to: "latest", partitions: [partition] })) values.push(`${record.offset} ${record.value}`);
  return values;
}

const leadBy = (topic: Topic<string>, nodeId: number): Promise<void> =>
  until(`broker ${nodeId} leads`, async () => {
    await topic.transferLeader(0, nodeId).catch(() => undefined);
    return (await topic.partitions())[0]?.leader === nodeId;
  });

test("a broker that lost a log is filled again from the others, and then leads with every record kept", { timeout: 180_000 }, async () => {
  await using cluster = await TestCluster.start();
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  const quire = await cluster.connect();
  const topic = quire.topic<string>("kept");
  await topic.create({ partitions: 1, replicas: 3, settings: { segmentBytes: 1_048_576 } });
  for (let number = 0; number < RECORDS; number++) await topic.send(valueAt(number));
  const start = await topic.trim(0, RECORDS / 2);
  assert.equal(start, RECORDS / 2);
  const before = await readAll(topic, 0);
  await cluster.kill(VICTIM);
  const [folder] = logsOf(cluster);
  assert.ok(folder !== undefined);
  rmSync(folder, { recursive: true });
  await cluster.broker(VICTIM).start();
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  await topic.send(valueAt(RECORDS));
  await leadBy(topic, VICTIM);
  const after = await readAll(topic, 0);
  assert.deepEqual(after.slice(0, before.length), before);
  assert.equal(after.length, before.length + 1);
});

test("flipped bits are never served: the log is set aside and filled again from the others", { timeout: 180_000 }, async () => {
  await using cluster = await TestCluster.start();
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  const quire = await cluster.connect();
  const topic = quire.topic<string>("flipped");
  await topic.create({ partitions: 1, replicas: 3, settings: { segmentBytes: 1_048_576 } });
  for (let number = 0; number < RECORDS; number++) await topic.send(valueAt(number));
  const before = await readAll(topic, 0);
  await cluster.kill(VICTIM);
  const [folder] = logsOf(cluster);
  assert.ok(folder !== undefined);
  flipBits(folder);
  await cluster.broker(VICTIM).start();
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  await leadBy(topic, VICTIM);
  // Whoever reads now may be refused; nobody is shown anything but what was written.
  const first = await readAll(topic, 0).catch(() => undefined);
  if (first !== undefined) assert.deepEqual(first, before);
  await until("the damaged log is set aside", () => existsSync(`${folder}.damaged`));
  await until("every record is read from the broker that had flipped bits", async () => {
    await leadBy(topic, VICTIM);
    const read = await readAll(topic, 0).catch(() => undefined);
    if (read !== undefined) assert.deepEqual(read, before);
    return read !== undefined && (await topic.partitions())[0]?.leader === VICTIM;
  });
});
