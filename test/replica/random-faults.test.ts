/**
 * Whole hosts under everything at once, each run from one seed: crashes with and without loss of power, failing syncs, polite restarts,
 * lost, repeated and reordered messages, cuts one way and both, trims, snapshots, changes of members, W and R, transfers, reads. In some runs
 * one disk, of W-1 that the promise covers, turns bits and loses whole logs.
 *
 * `QUIRE_SEED=17 node --test dist/test/replica/random-faults.test.js` repeats one run; `QUIRE_SEEDS=500` makes many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryKind } from "../../src/base/entry-kind.js";
import { indexPlus, nodeId, offset, replicaId } from "../../src/base/ids.js";
import { quorumProblem } from "../../src/base/quorum.js";
import { encodeTrimEntry } from "../../src/base/trim-entry.js";
import type { Member } from "../../src/consensus/types.js";
import type { LocalReplica } from "../../src/replica/replica.js";
import type { CutPolicy } from "../../src/replica/snapshot-plan.js";
import { SeededRandom } from "../consensus/seeded-random.js";
import { type Broker, FaultyCluster, folderOf, SET, turn } from "./faulty-cluster.js";
import { batchOf } from "./replica-cluster.js";

/** Of these, the first few are voters from the beginning. Of five voters, an entry may lie on two that no leader of the next term has heard of. */
const SIZES = [
  { nodes: 4, voters: 3, quorum: 2 },
  { nodes: 5, voters: 5, quorum: 3 },
] as const;
const STEPS = 2_500;
/** No disk of these takes longer. */
const DISK_TURNS_MAX = 100;
const memberOf = (id: number): Member => ({ replicaId: replicaId(id), nodeId: nodeId(id) });

/** What happened in a run, to show that something did. */
interface Totals {
  acknowledged: number;
  terms: number;
  reads: number;
  snapshots: number;
  halted: number;
  rotted: number;
  outlines: number;
}

class Run {
  readonly #random: SeededRandom;
  readonly #cluster: FaultyCluster;
  /** Ids of all brokers, from 1. */
  readonly #ids: readonly number[];
  readonly #actions: readonly (() => void | Promise<void>)[];
  /** One message lost in so many. */
  readonly #dropOneIn: number;
  readonly #cutPolicy: CutPolicy;
  /** Whether power may be lost in the middle of a change of members: then a set may halt, for ever in doubt, but never lie. */
  readonly #mayHalt: boolean;
  /** Whose disk rots, if any does. */
  readonly #rotten: Broker | undefined;
  #rotted = 0;
  #hasHalted = false;
  #texts = 0;
  #snapshotsSent = 0;

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#dropOneIn = 4 + random.below(60);
    this.#cutPolicy = random.oneIn(3) ? "state" : "records";
    const { nodes, voters, quorum } = random.oneIn(3) ? SIZES[1] : SIZES[0];
    this.#ids = Array.from({ length: nodes }, (_, at) => at + 1);
    this.#cluster = new FaultyCluster({
      random,
      nodes,
      initial: { voters: this.#ids.slice(0, voters).map(memberOf), learners: [], w: quorum, r: quorum },
      cutPolicy: this.#cutPolicy,
      cacheBytes: random.pick([0, 2_000, 1_000_000]) ?? 0,
      logSettings: { segmentBytes: 700 + random.below(3_000), segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1 },
    });
    this.#mayHalt = random.oneIn(2);
    this.#rotten = !this.#mayHalt && random.oneIn(2) ? this.#cluster.brokers[random.below(3)] : undefined;
    this.#actions = this.#weather();
  }

  async run(): Promise<Totals> {
    for (const broker of this.#cluster.brokers) void this.#cluster.start(broker).catch(() => undefined);
    for (let step = 0; step < STEPS; step++) {
      await this.#random.pick(this.#actions)?.();
      for (let turns = this.#random.below(3); turns > 0; turns--) await turn();
      this.#cluster.look();
    }
    await this.#peace();
    const { witness, checker } = this.#cluster;
    const { acknowledged, reads, outlines } = witness;
    const terms = checker.checkers.get(SET)?.elections ?? 0;
    return { acknowledged: acknowledged.size, terms, reads, snapshots: this.#snapshotsSent, halted: this.#hasHalted ? 1 : 0, rotted: this.#rotted, outlines };
  }

  /** Each run has a weather of its own: how often what happens. */
  #weather(): (() => void | Promise<void>)[] {
    const times = (count: number, action: () => void | Promise<void>): (() => void | Promise<void>)[] => Array.from({ length: count }, () => action);
    const some = (max: number): number => this.#random.below(max + 1);
    return [
      ...times(30, () => this.#tickAll()),
      ...times(60, () => this.#deliverSome()),
      ...times(25, () => this.#propose()),
      ...times(5, () => this.#startOne()),
      ...times(some(2), () => this.#crashOne()),
      ...times(some(1), () => this.#stopOne()),
      ...times(some(1), () => this.#failDisk()),
      ...times(some(2), () => this.#cut()),
      ...times(3, () => this.#heal()),
      ...times(some(6), () => this.#trim()),
      ...times(this.#mayHalt ? some(2) : 0, () => this.#reconfigure()),
      ...times(some(2), () => this.#transfer()),
      ...times(4, () => this.#read()),
      ...times(this.#rotten === undefined ? 0 : 1, () => this.#rot()),
      ...(this.#random.oneIn(3) ? [() => this.#powerCut()] : []),
    ];
  }

  #tickAll(): void {
    for (const broker of this.#cluster.running()) if (!this.#random.oneIn(8)) this.#cluster.tick(broker);
  }

  #deliverSome(): void {
    const { flying } = this.#cluster;
    for (let count = this.#random.below(8); count > 0 && flying.length > 0; count--) {
      const at = this.#random.oneIn(5) ? this.#random.below(flying.length) : 0;
      if (flying[at]?.envelope.message.kind === "snapshot") this.#snapshotsSent += 1;
      if (this.#random.oneIn(this.#dropOneIn)) flying.splice(at, 1);
      else this.#cluster.deliver(at, { keep: this.#random.oneIn(20) });
    }
  }

  #propose(): void {
    for (const leader of this.#cluster.leaders()) {
      for (let count = 1 + this.#random.below(3); count > 0; count--) {
        const text = `record-${this.#texts++}`;
        const proposal = batchOf(text.padEnd(20 + this.#random.below(300)), 1 + this.#random.below(3));
        leader.propose(proposal, this.#cluster.witness.answer(leader, text, proposal.body));
      }
    }
  }

  #trim(): void {
    const leader = this.#random.pick(this.#cluster.leaders());
    if (leader === undefined || !leader.serving) return;
    const before = offset(this.#random.below(leader.highWatermark + 1));
    leader.propose({ kind: EntryKind.trim, body: encodeTrimEntry(before) }, () => undefined);
  }

  #reconfigure(): void {
    const leader = this.#random.pick(this.#cluster.leaders());
    const ids = this.#ids.filter(() => !this.#random.oneIn(4));
    const [w, r] = [1 + this.#random.below(this.#ids.length), 1 + this.#random.below(this.#ids.length)];
    if (quorumProblem({ n: ids.length, w, r }) !== undefined) return;
    const learners = this.#ids.filter((id) => !ids.includes(id) && this.#random.oneIn(2)).map(memberOf);
    leader?.reconfigure({ voters: ids.map(memberOf), learners, w, r }).catch(() => undefined);
  }

  #transfer(): void {
    const leader = this.#random.pick(this.#cluster.leaders());
    leader?.transfer(replicaId(1 + this.#random.below(this.#ids.length))).catch(() => undefined);
  }

  #read(): void {
    const replica = this.#random.pick(this.#cluster.leaders());
    if (replica === undefined) return;
    const check = this.#cluster.witness.read(replica);
    replica.readIndex().then(check, () => undefined);
  }

  async #crashOne(): Promise<void> {
    const broker = this.#random.pick(this.#cluster.running());
    if (broker !== undefined) await this.#cluster.crash(broker, { power: this.#random.oneIn(2) });
  }

  async #powerCut(): Promise<void> {
    for (const broker of this.#cluster.running()) await this.#cluster.crash(broker, { power: true });
  }

  #stopOne(): void {
    const broker = this.#random.pick(this.#cluster.running());
    if (broker !== undefined) void this.#cluster.stop(broker).catch(() => undefined);
  }

  #startOne(): void {
    const broker = this.#random.pick(this.#cluster.brokers.filter(({ process }) => process === undefined));
    if (broker !== undefined) void this.#cluster.start(broker).catch(() => undefined);
  }

  /** The next sync, or write, or store's write of a broker fails; its replica stops until the broker is started anew. */
  #failDisk(): void {
    const broker = this.#random.pick(this.#cluster.running());
    if (broker === undefined) return;
    if (this.#random.oneIn(3) && broker.process !== undefined) {
      broker.process.store.failure = new Error("EIO: simulated");
      return;
    }
    const kind = this.#random.oneIn(2) ? "sync" : "write";
    let isDone = false;
    const { files } = broker;
    files.fault = (operation) => {
      if (isDone || operation !== kind) return undefined;
      isDone = true;
      return kind === "sync" ? { code: "EIO" } : { code: "ENOSPC", writtenBytes: this.#random.below(200) };
    };
  }

  /** A bit turns in the log, whoever runs over it; or all of it is gone when the broker starts again. */
  #rot(): void {
    const broker = this.#rotten;
    if (broker === undefined) return;
    const { files, process } = broker;
    const paths = files.paths().filter((path) => path.startsWith(folderOf(broker)));
    if (process === undefined && this.#random.oneIn(4)) {
      for (const path of paths) files.lose(path);
    } else {
      const path = this.#random.pick(paths);
      if (path === undefined) return;
      files.damage(path, (bytes) => {
        const at = this.#random.below(bytes.length);
        if (at < bytes.length) bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << this.#random.below(8)), at);
        return bytes;
      });
    }
    this.#rotted += 1;
  }

  #cut(): void {
    const one = 1 + this.#random.below(this.#ids.length);
    const oneWay = this.#random.oneIn(3);
    for (const other of this.#ids) {
      if (this.#random.oneIn(4)) continue;
      this.#cluster.blocked.add(`${one}>${other}`);
      if (!oneWay) this.#cluster.blocked.add(`${other}>${one}`);
    }
  }

  #heal(): void {
    this.#cluster.blocked.clear();
  }

  /** No more faults: everyone is started anew where need be, and all must come to agree on all that was acknowledged. */
  async #peace(): Promise<void> {
    const cluster = this.#cluster;
    cluster.blocked.clear();
    for (const broker of cluster.brokers) {
      broker.files.fault = () => undefined;
      if (broker.process !== undefined) broker.process.store.failure = undefined;
    }
    // Until those have heard of it whose call failed.
    for (let turns = 0; turns < DISK_TURNS_MAX; turns++) await turn();
    for (const broker of cluster.brokers) {
      const replica = broker.process?.host.get(SET);
      if (replica === undefined || replica.failure !== undefined || broker.isStopping) await cluster.crash(broker, { power: false });
      if (broker.process === undefined) await cluster.start(broker);
    }
    do await this.#until("all agree", () => this.#allAgree());
    while (!(await this.#checkAll()));
    if (!this.#hasHalted) await cluster.concludes();
    for (const broker of cluster.brokers) await cluster.stop(broker);
    if (!this.#hasHalted) cluster.witness.concludes();
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    const { flying } = this.#cluster;
    for (let round = 0; round < 3_000; round++) {
      if (condition()) return;
      for (const broker of this.#cluster.running()) this.#cluster.tick(broker);
      for (let count = flying.length; count > 0; count--) this.#cluster.deliver(0);
      for (let turns = 0; turns < 3; turns++) await turn();
      this.#cluster.look();
    }
    this.#hasHalted = this.#mayHalt && this.#cluster.replicas().some(({ log }) => log.doubt !== undefined);
    if (this.#hasHalted) return;
    const states = this.#cluster.replicas().map(({ replicaId: id, role, term, commitIndex, log }) => ({ id, role, term, commitIndex, last: log.lastIndex }));
    throw new Error(`waited in vain until ${what}: ${JSON.stringify(states)}`);
  }

  /** The replicas of the configuration that a serving leader goes by; none while there is no such leader. */
  #members(): LocalReplica[] {
    const leader = this.#cluster.leaders().find((replica) => replica.serving);
    if (leader === undefined || leader.configuration.incoming !== undefined) return [];
    const ids = new Set([...leader.configuration.voters, ...leader.configuration.learners].map((member) => member.replicaId));
    const members = this.#cluster.replicas().filter((replica) => ids.has(replica.replicaId));
    return members.length === ids.size ? members : [];
  }

  #allAgree(): boolean {
    const members = this.#members();
    const last = Math.max(...members.map((replica) => replica.log.lastIndex));
    return members.length > 0 && members.every((replica) => replica.appliedIndex === last && replica.log.syncedIndex === last);
  }

  /** False when one was found damaged, and is filled again. */
  async #checkAll(): Promise<boolean> {
    for (const replica of this.#members()) if (!(await this.#checkRecords(replica))) return false;
    return true;
  }

  /** The records that the replica's log holds, by offset; undefined when it is damaged. Read anew when its beginning goes meanwhile. */
  async #recordsOf(replica: LocalReplica): Promise<Map<number, string> | undefined> {
    const { log, appliedIndex } = replica;
    const records = new Map<number, string>();
    const { logStart } = log;
    for (let next = indexPlus(logStart.index, 1); next <= appliedIndex; ) {
      const frames = await log.read(next, appliedIndex, 100_000).catch(() => []);
      if (replica.failure !== undefined) return undefined;
      if (log.logStart.index !== logStart.index) return this.#recordsOf(replica);
      for (const { kind, baseOffset, body } of frames) if (kind === EntryKind.records) records.set(baseOffset, body.toString().trimEnd());
      next = indexPlus(next, frames.length);
    }
    return records;
  }

  /** Every acknowledged record that the replica's log reaches is there, at its offset; what was not trimmed is reached. */
  async #checkRecords(replica: LocalReplica): Promise<boolean> {
    const records = await this.#recordsOf(replica);
    if (records === undefined) return false;
    for (const [at, text] of this.#cluster.witness.acknowledged) {
      if (at >= replica.log.startOffset) assert.equal(records.get(at), text, `offset ${at} on replica ${replica.replicaId}`);
    }
    const trimmed = replica.machine.logStartOffset?.() ?? 0;
    if (this.#cutPolicy === "records") assert.ok(replica.log.startOffset <= trimmed, `replica ${replica.replicaId} lacks records that nobody trimmed`);
    return true;
  }
}

const { QUIRE_SEED: only, QUIRE_SEEDS: count = "24" } = process.env;
const seeds = only === undefined ? Array.from({ length: Number(count) }, (_, at) => at + 1) : [Number(only)];
const totals: Totals = { acknowledged: 0, terms: 0, reads: 0, snapshots: 0, halted: 0, rotted: 0, outlines: 0 };

for (const seed of seeds) {
  test(`whatever happens, acknowledged records stay: seed ${seed}`, async () => {
    const result = await new Run(seed).run();
    for (const key of Object.keys(totals) as (keyof Totals)[]) totals[key] += result[key];
  });
}

test("the runs did something", { skip: only !== undefined }, () => {
  assert.ok(totals.acknowledged > 50 * seeds.length, `${totals.acknowledged} acknowledged`);
  assert.ok(totals.terms > 5 * seeds.length && totals.reads > seeds.length && totals.snapshots > seeds.length / 4, JSON.stringify(totals));
  assert.ok(totals.rotted > seeds.length, `${totals.rotted} times damaged`);
  assert.ok(totals.outlines > 10 * seeds.length, `${totals.outlines} batches were applied by their headers`);
  assert.ok(totals.halted <= seeds.length / 4, `${totals.halted} halted`);
});
