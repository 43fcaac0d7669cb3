import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/base/silent-logger.js";
import { GroupExpiry } from "../../src/cluster/group-expiry.js";
import { FakeClock } from "../support/fake-clock.js";
import { FakeGroupsView } from "../support/fake-groups-view.js";
import { change, member } from "./group-examples.js";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("the controller forgets groups that have had no members for long, and no others", async () => {
  const clock = new FakeClock();
  const groups = new FakeGroupsView();
  const replica = { role: "follower", serving: false } as { role: "leader" | "follower"; serving: boolean };
  const expiry = new GroupExpiry({ groups, admin: groups, metadata: () => replica, clock, logger: silentLogger, expireMs: 1_000 });
  const nowMs = clock.wallMs();
  await groups.changeGroup({ ...change(undefined, { nowMs }), group: "idle" });
  await groups.changeGroup({ ...change(undefined, { nowMs: nowMs + 900 }), group: "fresh" });
  await groups.changeGroup({ ...change(undefined, { nowMs, entered: [member("a")] }), group: "busy" });
  const names = (): string[] => groups.groups().map(({ name }) => name);
  clock.advance(1_100);
  await settled();
  assert.equal(names().length, 3, "not by one that is not the controller");
  replica.role = "leader";
  replica.serving = true;
  clock.advance(100);
  await settled();
  assert.deepEqual(names(), ["busy", "fresh"]);
  clock.advance(5_000);
  await settled();
  assert.deepEqual(names(), ["busy"]);
  expiry.stop();
});
