import assert from "node:assert/strict";
import { test } from "node:test";
import { type NodeId, nodeId, offset } from "../../src/base/ids.js";
import { MIB } from "../../src/base/limits.js";
import { LocalDataPlane } from "../../src/broker/data-plane.js";
import { PartitionState } from "../../src/broker/partition-state.js";
import type { ProgressTable } from "../../src/broker/progress-table.js";
import type { LocalReplica } from "../../src/replica/replica.js";
import { SegmentedLogs } from "../../src/storage/segmented-logs.js";
import { batchOf, proposeTo, ReplicaCluster, SET } from "../replica/replica-cluster.js";
import { FakeGroupsView } from "../support/fake-groups-view.js";
import { FakeView } from "../support/fake-view.js";
import { FaultyFiles } from "../support/faulty-files.js";
import { refusal } from "../support/refusals.js";

const AT = { topic: "orders", partition: 0 } as const;
const GROUP = "billing";

const tableOf = ({ machine }: LocalReplica): ProgressTable => {
  assert.ok(machine instanceof PartitionState);
  return machine.progress;
};

/** Three brokers with one partition in real segments of 4 KiB, and the data plane of whoever leads. */
class Brokers {
  readonly groups = new FakeGroupsView();
  readonly cluster: ReplicaCluster;
  readonly #files = new Map<NodeId, FaultyFiles>();

  constructor() {
    this.cluster = new ReplicaCluster(3, { w: 2, r: 2 }, (id, { clock, store }) => {
      const files = this.#files.get(id)?.restart() ?? new FaultyFiles();
      this.#files.set(id, files);
      return new SegmentedLogs({ files, clock, folder: "/data/logs", store, cacheBytes: MIB });
    });
  }

  async start(...ids: readonly number[]): Promise<void> {
    for (const id of ids) await this.cluster.start(id);
  }

  async dataPlane(): Promise<LocalDataPlane> {
    const leader = await this.cluster.leader();
    const view = new FakeView(leader.replicaId);
    assert.equal(view.addTopic("orders").assignments[0]?.replicaSetId, SET);
    return new LocalDataPlane({
      view,
      replicaOf: () => leader,
      clock: this.cluster.clock,
      hasRoom: () => true,
      hasRoomAt: () => true,
      recordBytesMax: MIB,
      batchBytesMax: MIB,
      inflightBytesMax: MIB,
      fetchWaitersMax: 1,
      producers: { tableOf: () => undefined, epochOf: () => undefined, producersMax: 1, expireMs: 60_000 },
      groups: this.groups,
      progressOf: () => tableOf(leader),
    });
  }

  /** Lets time pass until it is done. */
  async done<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const end = (): void => {
      isDone = true;
    };
    work.then(end, end);
    await this.cluster.until("it is done", () => isDone);
    return work;
  }

  async commit(dataPlane: LocalDataPlane, to: number, generation: number, memberId = "m"): Promise<number> {
    return (await this.done(dataPlane.commitProgress({ ...AT, group: GROUP, memberId, generation, offset: offset(to) }))).offset;
  }

  /** Everybody has applied the same, to the byte. */
  async agree(): Promise<Buffer> {
    const leader = await this.cluster.leader();
    await this.cluster.until("all have applied it", () => this.cluster.replicas().every(({ appliedIndex }) => appliedIndex === leader.log.lastIndex));
    const [first, ...others] = this.cluster.replicas().map((replica) => tableOf(replica).encode());
    assert.ok(first !== undefined);
    for (const other of others) assert.deepEqual(other, first);
    return first;
  }
}

test("an acknowledged commit, and the claim that fences former owners, survive the leader's death", async () => {
  const brokers = new Brokers();
  await brokers.start(1, 2, 3);
  const former = await brokers.cluster.leader();
  await brokers.done(proposeTo(former, batchOf("records", 10)));
  const first = brokers.groups.own(GROUP, SET, "m");
  const dataPlane = await brokers.dataPlane();
  assert.equal(await brokers.commit(dataPlane, 4, first), 4);
  const second = brokers.groups.own(GROUP, SET, "n");
  const begun = await brokers.done(dataPlane.progress({ ...AT, group: GROUP, owner: { memberId: "n", generation: second } }));
  assert.equal(begun.offset, 4);
  brokers.cluster.kill(former.replicaId);
  const next = await brokers.dataPlane();
  assert.equal((await brokers.done(next.progress({ ...AT, group: GROUP, owner: undefined }))).offset, 4);
  // The new leader's metadata is as it was before the partition changed hands.
  const known = brokers.groups.group.bind(brokers.groups);
  const old = { ...known(GROUP), owners: new Map([[SET, { memberId: "m", generation: first }]]) };
  brokers.groups.group = () => old as ReturnType<typeof known>;
  await refusal("STALE_GENERATION", () => brokers.commit(next, 9, first));
  brokers.groups.group = known;
  assert.equal(await brokers.commit(next, 9, second, "n"), 9);
});

test("after segments, snapshots and a restart of all, everybody knows what was committed", async () => {
  const brokers = new Brokers();
  await brokers.start(1, 2, 3);
  await brokers.done(proposeTo(await brokers.cluster.leader(), batchOf("records", 200)));
  const generation = brokers.groups.own(GROUP, SET, "m");
  const dataPlane = await brokers.dataPlane();
  const early = brokers.groups.own("early", SET, "m");
  await brokers.done(dataPlane.commitProgress({ ...AT, group: "early", memberId: "m", generation: early, offset: offset(7) }));
  for (let to = 1; to <= 150; to++) await brokers.commit(dataPlane, to, generation);
  const before = await brokers.agree();
  const leader = await brokers.cluster.leader();
  assert.ok(leader.log.segments().length > 3 && leader.log.bytes > 12_000, "the log has segments");
  for (const id of [1, 2, 3]) brokers.cluster.kill(id);
  await brokers.start(1, 2, 3);
  const next = await brokers.dataPlane();
  assert.deepEqual(await brokers.agree(), before);
  assert.equal((await brokers.done(next.progress({ ...AT, group: GROUP, owner: undefined }))).offset, 150);
  assert.equal((await brokers.done(next.progress({ ...AT, group: "early", owner: undefined }))).offset, 7);
  assert.equal(await brokers.commit(next, 151, generation), 151);
});

test("a partition that nobody writes records to does not grow for ever, and who was away gets its progress with a snapshot", async () => {
  const brokers = new Brokers();
  await brokers.start(1, 2, 3);
  const dataPlane = await brokers.dataPlane();
  const leader = await brokers.cluster.leader();
  await brokers.done(proposeTo(leader, batchOf("records", 10)));
  await brokers.done(dataPlane.trim(AT, offset(10)));
  const away = [1, 2, 3].find((id) => nodeId(id) !== nodeId(leader.replicaId)) as number;
  brokers.cluster.kill(away);
  let bytesMax = 0;
  for (let n = 0; n < 400; n++) {
    const generation = brokers.groups.own(GROUP, SET, `m-${n}`);
    await brokers.done(dataPlane.progress({ ...AT, group: GROUP, owner: { memberId: `m-${n}`, generation } }));
    bytesMax = Math.max(bytesMax, leader.log.bytes);
  }
  assert.ok(leader.log.lastIndex > 400 && bytesMax < 16_000, `${bytesMax} bytes in ${leader.log.lastIndex} entries`);
  await brokers.start(away);
  await brokers.agree();
  assert.equal(tableOf(brokers.cluster.replica(away)).get(GROUP)?.generation, 400);
});
