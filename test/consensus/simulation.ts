/** A random run of a model cluster from one seed: faults for a while, then peace, then everyone must agree. */
import { assert } from "../../src/base/assert.js";
import { logIndex, replicaId } from "../../src/base/ids.js";
import { quorumProblem } from "../../src/base/quorum.js";
import type { Configuration, CoreOptions } from "../../src/consensus/types.js";
import { configurationOf, type Envelope, ModelCluster } from "./model-cluster.js";
import { type ModelNode, member } from "./model-node.js";
import { SeededRandom } from "./seeded-random.js";

export interface SimulationOptions {
  readonly seed: number;
  readonly steps: number;
  /** Whether disks may lose what they had synced, on fewer than W nodes at a time. */
  readonly damage: boolean;
  readonly reconfigure: boolean;
}

/** What a run did, to show that it did something. */
export interface SimulationResult {
  readonly committed: number;
  readonly elections: number;
  readonly reads: number;
  readonly doubts: number;
  readonly snapshots: number;
  readonly changes: number;
  readonly transfers: number;
}

const UNIVERSE = 5;

export class Simulation {
  readonly random: SeededRandom;
  readonly cluster: ModelCluster;
  readonly #options: SimulationOptions;
  readonly #old: Envelope[] = [];
  readonly #reads: number[] = [];
  readonly #changes: number[] = [];
  readonly #transfers: number[] = [];
  #elections = 0;
  #doubts = 0;
  #snapshots = 0;
  #payload = 0;
  /** How hard the weather is, drawn for each run: one in so many. */
  readonly #dropOneIn: number;
  readonly #crashOneIn: number;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const random = new SeededRandom(options.seed);
    this.random = random;
    this.#dropOneIn = 3 + random.below(40);
    this.#crashOneIn = 100 + random.below(600);
    const core: CoreOptions = {
      heartbeatTicks: 1,
      electionTicks: 6,
      suspicionTicks: 2,
      quiesceTicks: 8,
      inflightMessagesMax: 1 + random.below(4),
      inflightBytesMax: 1_000,
      random: (bound) => random.below(bound),
    };
    this.cluster = new ModelCluster({
      nodes: UNIVERSE,
      configuration: this.#anyConfiguration(),
      core,
      entriesPerMessage: () => 1 + random.below(4),
      onEffect: (_, effect) => {
        if (effect.kind === "role" && effect.role === "leader") this.#elections++;
        if (effect.kind === "install-snapshot") this.#snapshots++;
        if (effect.kind === "doubt-lifted") this.#doubts++;
      },
    });
  }

  run(): SimulationResult {
    for (let step = 0; step < this.#options.steps; step++) this.#anything();
    this.#makePeace();
    this.#converge();
    const { committed, answers } = this.cluster;
    const done = (ids: readonly number[]): number => ids.filter((id) => answers.accepted.has(id)).length;
    return {
      committed: committed.length,
      elections: this.#elections,
      reads: [...answers.reads.values()].filter((answer) => answer !== "failed").length,
      doubts: this.#doubts,
      snapshots: this.#snapshots,
      changes: done(this.#changes),
      transfers: [...answers.transfers.values()].filter(Boolean).length,
    };
  }

  #anyConfiguration(): Configuration {
    const { random } = this;
    for (;;) {
      const n = 1 + random.below(UNIVERSE);
      const w = 1 + random.below(n);
      const r = 1 + random.below(n);
      if (quorumProblem({ n, w, r }) !== undefined) continue;
      const ids = [1, 2, 3, 4, 5].sort(() => random.below(3) - 1);
      const rest = ids.slice(n);
      return configurationOf(ids.slice(0, n), w, r, rest.slice(0, random.below(rest.length + 1)));
    }
  }

  #anyNode(): ModelNode {
    return this.cluster.node(1 + this.random.below(UNIVERSE));
  }

  /** One event anywhere. */
  #anything(): void {
    const { random, cluster } = this;
    const node = this.#anyNode();
    const dice = random.below(100);
    if (random.oneIn(this.#crashOneIn)) this.#crashSome(node);
    else if (dice < 45) this.#deliverOne();
    else if (dice < 72) this.#disk(node);
    else if (dice < 82) this.#tick(node);
    else if (dice < 90) this.#ask(node);
    else if (dice < 93) this.#links(node);
    else if (dice < 96 && !node.isUp) this.#restart(node);
    else if (dice < 97 && random.oneIn(4)) node.compact(logIndex(node.start.index + 1 + random.below(Math.max(1, node.applied - node.start.index))));
    else if (dice < 98 && node.isUp) node.step({ kind: random.oneIn(2) ? "peer-down" : "peer-up", nodeId: member(1 + random.below(UNIVERSE)).nodeId });
    else if (this.#old.length > 0 && random.oneIn(3)) {
      const old = random.pick(this.#old);
      if (old !== undefined) cluster.receive(old);
    }
  }

  #deliverOne(): void {
    const { random, cluster } = this;
    const { inFlight } = cluster;
    if (inFlight.length === 0) return;
    const at = random.oneIn(4) ? random.below(inFlight.length) : 0;
    const envelope = inFlight[at];
    if (envelope === undefined) return;
    if (random.oneIn(30)) this.#old.push(envelope);
    if (this.#old.length > 40) this.#old.shift();
    if (random.oneIn(this.#dropOneIn)) inFlight.splice(at, 1);
    else if (random.oneIn(15)) cluster.receive(envelope);
    else cluster.deliver(at);
  }

  #disk(node: ModelNode): void {
    const { random } = this;
    if (!node.isUp) return;
    const what = random.below(5);
    if (what === 0) node.finishSave(random.oneIn(2));
    else if (what === 1) node.finishTask(random.oneIn(12));
    else if (what === 2) node.finishInstall();
    else if (node.syncing !== undefined) node.finishSync();
    else node.beginSync();
  }

  #tick(node: ModelNode): void {
    if (node.core?.ticking === true) node.step({ kind: "tick" });
  }

  #ask(node: ModelNode): void {
    const { random, cluster } = this;
    const asked = random.oneIn(4) ? node : (cluster.leader ?? node);
    if (!asked.isUp) return;
    const dice = random.below(20);
    if (dice < 13) cluster.propose(asked, `p${this.#payload++}`);
    else if (dice < 17) this.#reads.push(cluster.read(asked));
    else if (dice === 17) {
      const id = cluster.nextId();
      this.#transfers.push(id);
      asked.step({ kind: "transfer", id, to: replicaId(1 + random.below(UNIVERSE)) });
    } else if (this.#options.reconfigure && random.oneIn(4)) {
      const id = cluster.nextId();
      this.#changes.push(id);
      const { voters, w, r, learners } = this.#anyConfiguration();
      asked.step({ kind: "reconfigure", id, target: { voters, w, r, learners } });
    }
  }

  #links(node: ModelNode): void {
    const { random, cluster } = this;
    if (random.oneIn(3)) {
      cluster.cut.clear();
      return;
    }
    const other = this.#anyNode();
    if (!random.oneIn(8) || other === node) return;
    const both = random.oneIn(2);
    cluster.cut.add(`${node.id}>${other.id}`);
    if (both) cluster.cut.add(`${other.id}>${node.id}`);
  }

  #crashSome(node: ModelNode): void {
    const { random, cluster } = this;
    const all = random.oneIn(6);
    for (const each of all ? cluster.up() : [node]) {
      if (!each.isUp) continue;
      this.#loseUnsynced(each);
      if (this.#options.damage && random.oneIn(2)) this.#loseSynced(each);
      cluster.crash(each.id);
      // The others notice a broken connection, now or when it comes back.
      if (random.oneIn(2)) cluster.tellPeers(each.id, "peer-down");
    }
  }

  /** Of what was not synced any prefix may be there; of a truncation that was not synced, the old end may be back. */
  #loseUnsynced(node: ModelNode): void {
    const { random } = this;
    const { disk } = node;
    if (node.saves.length > 0 && random.oneIn(2)) disk.hardState = node.saves[random.below(node.saves.length)] ?? disk.hardState;
    disk.checkpoint = logIndex(random.oneIn(2) ? disk.start.index : Math.min(node.applied, disk.start.index + disk.entries.length));
    if (node.installing !== undefined || random.oneIn(2)) return;
    let common = 0;
    while (common < node.entries.length && disk.entries[common] === node.entries[common]) common++;
    disk.entries = node.entries.slice(0, common + random.below(node.entries.length - common + 1));
    disk.checkpoint = logIndex(Math.min(disk.checkpoint, disk.start.index + disk.entries.length));
  }

  /** A torn end that was never acknowledged, on any node; or the loss of what was, within what the promise covers. */
  #loseSynced(node: ModelNode): void {
    const { random, cluster } = this;
    const { disk } = node;
    const quorums = cluster.nodes.flatMap(({ core }) =>
      core ? [core.configuration, ...(core.configuration.incoming ? [core.configuration.incoming] : [])] : [],
    );
    const covered = Math.min(...quorums.map(({ w }) => w), 5) - 1;
    const mayLose = !this.#options.reconfigure && (cluster.damaged.has(node.id) || cluster.damaged.size < covered);
    if (mayLose && disk.entries.length > 0 && random.oneIn(2)) {
      const kept = random.below(disk.entries.length);
      cluster.damaged.set(node.id, [...(cluster.damaged.get(node.id) ?? []), ...disk.entries.slice(kept)]);
      disk.entries = disk.entries.slice(0, kept);
    }
    const end = disk.start.index + disk.entries.length;
    const from = logIndex(Math.min(end + 1, disk.doubt?.from ?? end + 1));
    disk.checkpoint = logIndex(Math.min(disk.checkpoint, end));
    const kind = disk.doubt?.kind === "damaged" || (cluster.damaged.has(node.id) && random.oneIn(2)) ? "damaged" : "torn";
    disk.doubt = { kind, from };
  }

  #restart(node: ModelNode): void {
    this.cluster.tellPeers(node.id, "peer-down");
    this.cluster.restart(node.id);
    this.cluster.tellPeers(node.id, "peer-up");
  }

  #makePeace(): void {
    const { cluster } = this;
    cluster.cut.clear();
    for (const node of cluster.nodes) if (!node.isUp) this.#restart(node);
    for (const node of cluster.nodes) cluster.tellPeers(node.id, "peer-up");
  }

  /** Liveness: with everyone up and connected, one leader, one log, nothing left waiting. */
  #converge(): void {
    const { cluster } = this;
    const proposed = { id: 0 };
    for (let round = 0; round < 600; round++) {
      for (const node of cluster.nodes) this.#tick(node);
      this.#settle();
      const { leader } = cluster;
      if (leader?.core?.serving === true && proposed.id === 0 && round > 100) proposed.id = cluster.propose(leader, "last");
      if (proposed.id !== 0 && this.#agree()) break;
    }
    assert(this.#agree(), () => `no agreement: ${this.describe()}`);
    this.#restAll();
    for (const id of this.#reads) assert(cluster.answers.reads.has(id) || this.#diedAsked(id), "a read is answered");
  }

  /** Reads asked of a process that died are not answered by anyone; the runner ends them. */
  #diedAsked(_id: number): boolean {
    return this.#crashed;
  }
  get #crashed(): boolean {
    return true;
  }

  #settle(): void {
    const { cluster } = this;
    for (let quiet = false, spins = 0; !quiet; spins++) {
      assert(spins < 10_000, "messages come to an end");
      quiet = cluster.inFlight.length === 0;
      while (cluster.inFlight.length > 0) cluster.deliver(0);
      for (const node of cluster.nodes) {
        if (node.saves.length === 0 && node.tasks.length === 0 && node.installing === undefined && node.syncing === undefined && !node.needsSync) continue;
        quiet = false;
        node.finishSave(true);
        node.finishTask();
        node.finishInstall();
        node.finishSync();
        if (node.needsSync) node.beginSync();
      }
    }
  }

  #agree(): boolean {
    const { leader } = this.cluster;
    const configuration = leader?.core?.configuration;
    if (leader?.core === undefined || configuration === undefined || configuration.incoming !== undefined) return false;
    const { last, core } = leader;
    if (!core.serving || core.commitIndex !== last.index || core.term !== last.term) return false;
    return [...configuration.voters, ...configuration.learners].every(({ replicaId: id }) => {
      const node = this.cluster.node(id);
      const same = node.last.index === last.index && node.last.term === last.term && node.core?.doubt === undefined;
      return same && node.core?.commitIndex === last.index && node.applied === last.index;
    });
  }

  /** Idle is free: members stop ticking once nothing happens. */
  #restAll(): void {
    const { cluster } = this;
    const members = cluster.leader?.core?.configuration;
    assert(members !== undefined, "there is a leader");
    const resting = (): boolean => [...members.voters, ...members.learners].every(({ replicaId: id }) => cluster.node(id).core?.ticking === false);
    for (let round = 0; round < 100 && !resting(); round++) {
      for (const node of cluster.nodes) this.#tick(node);
      this.#settle();
    }
    assert(resting(), () => `still ticking: ${this.describe()}`);
  }

  describe(): string {
    return this.cluster.nodes
      .map(
        ({ id, core, last, disk }) =>
          `n${id} ${core?.role} term ${core?.term} last ${last.index}/${last.term} commit ${core?.commitIndex} doubt ${JSON.stringify(core?.doubt)} ticking ${core?.ticking} disk ${disk.entries.length} ${JSON.stringify(core?.configuration)}`,
      )
      .join("\n");
  }
}
