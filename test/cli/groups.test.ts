import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { about, catchUp } from "../../src/cli/lag.js";
import { startFakeCluster } from "../support/fake-broker.js";
import type { FakeCluster } from "../support/fake-cluster.js";
import { type Ran, type RunQuireOptions, runQuire } from "../support/run-quire.js";

let cluster: FakeCluster;
let stop: () => Promise<void>;
before(async () => {
  ({ cluster, stop } = await startFakeCluster(3));
  cluster.createTopic("orders", 2);
});
after(() => stop());

const quire = (args: readonly string[], options: RunQuireOptions = {}): Promise<Ran> => runQuire([...args, "--brokers", cluster.addresses.join(",")], options);

test("durations are told in two units at the most, and a rate of nought is no promise", () => {
  const told = [0, 950, 1_500, 59_000, 60_000, 125_000, 3_600_000, 11_400_000, 90_000_000].map(about);
  assert.deepEqual(told, ["0ms", "950ms", "1.5s", "59s", "1m", "2m 5s", "1h", "3h 10m", "1d 1h"]);
  const owned = { owner: "m", lagMs: 1, lag: 100 };
  assert.equal(catchUp({ ...owned, recordsPerSecond: 10 }), "10s");
  assert.equal(catchUp({ ...owned, recordsPerSecond: 0 }), "?", "a record that has just come is no sign of anything");
  assert.equal(catchUp({ ...owned, lagMs: 30_000, recordsPerSecond: 0 }), "stuck");
  assert.equal(catchUp({ ...owned, owner: undefined, recordsPerSecond: 3 }), "no owner");
  assert.equal(catchUp({ ...owned, lag: 0, recordsPerSecond: 0 }), "-");
  assert.equal(catchUp({ ...owned, lag: undefined, recordsPerSecond: undefined }), "?");
});

test("a group writes lines, so many, and the next one goes on behind them", async () => {
  await quire(["produce", "orders", "--key-separator", ":"], { input: "k:1\nk:2\nk:3\n" });
  const first = await quire(["consume", "orders", "--group", "billing", "--count", "2"]);
  assert.deepEqual([first.code, first.stdout, first.stderr], [0, "1\n2\n", ""]);
  const next = await quire(["consume", "orders", "--group", "billing", "--count", "1"]);
  assert.deepEqual([next.code, next.stdout], [0, "3\n"]);
  for (const wrong of [["--from", "15m"], ["--partition", "1"], ["--to-end"]]) {
    assert.equal((await quire(["consume", "orders", "--group", "billing", ...wrong])).code, 2);
  }
});

test("groups are listed, described, reset and deleted", async () => {
  const { offsets } = cluster.groups.group("reports");
  const at = cluster.records("orders", 0).length > 0 ? 0 : 1;
  offsets.set(`orders/${at}`, { offset: 1, generation: 1 });
  cluster.groups.group("reports").owners.set(`orders/${at}`, { memberId: "m-1", generation: 1 });
  const listed = await quire(["group", "list"]);
  assert.match(listed.stdout, /^GROUP +STATE +MEMBERS .*\n(billing .*\n)?reports +empty +0 +uniform +1/m);
  const described = await quire(["group", "describe", "reports"]);
  assert.match(described.stdout, /behind +2 records, the oldest of them 1m 30s old/);
  assert.match(described.stdout, new RegExp(`orders +${at} +1 +3 +2 +1m 30s +0 +stuck +m-1`));
  assert.match(described.stdout, new RegExp(`Stuck: nothing was committed for half a minute in orders/${at} at 1; the owner is m-1\\.`));
  const json = JSON.parse((await quire(["group", "describe", "reports", "--json"])).stdout) as { partitions: { lag: number; stuck: boolean }[] };
  assert.deepEqual(
    json.partitions.map(({ lag, stuck }) => [lag, stuck]),
    [[2, true]],
  );
  const tried = await quire(["group", "reset", "reports", "--topic", `orders:${at}`, "--to", "latest", "--dry-run"]);
  assert.match(tried.stdout, /WOULD BE/);
  assert.equal(offsets.get(`orders/${at}`)?.offset, 1);
  const reset = await quire(["group", "reset", "reports", "--topic", "orders", "--to", "latest"]);
  assert.deepEqual([reset.code, offsets.get(`orders/${at}`)?.offset], [0, 3], reset.stderr);
  assert.equal((await quire(["group", "reset", "reports", "--topic", "orders:x", "--to", "latest"])).code, 2);
  const deleted = await quire(["group", "delete", "reports", "--yes"]);
  assert.equal(deleted.stdout, "Group reports and its offsets are deleted.\n");
  assert.equal((await quire(["group", "describe", "reports"])).code, 4);
});
