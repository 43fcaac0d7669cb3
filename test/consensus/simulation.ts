/** A random run of a model cluster from one seed: faults for a while, then peace, then everyone must agree. */
import { assert } from "../../src/base/assert.js";
import { logIndex, replicaId } from "../../src/base/ids.js";
import { quorumProblem } from "../../src/base/quorum.js";
import type { Configuration, CoreOptions } from "../../src/consensus/types.js";
import { damage, loseUnsynced } from "./disk-faults.js";
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

export class Simulation {
  readonly random: SeededRandom;
  readonly #universe: number;
  readonly cluster: ModelCluster;
  readonly #options: SimulationOptions;
  readonly #old: Envelope[] = [];
  /** Reads and transfers, and which life of which node was asked. */
  readonly #asked: { readonly node: ModelNode; readonly life: number; readonly id: number }[] = [];
  readonly #changes: number[] = [];
  #elections = 0;
  #doubts = 0;
  #snapshots = 0;
  #payload = 0;
  /** The weather of this run: how often each thing happens; one message lost in so many, one hint poor in so many. */
  readonly #actions: readonly (() => void)[];
  readonly #dropOneIn: number;
  readonly #poorHintOneIn: number;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const random = new SeededRandom(options.seed);
    this.random = random;
    this.#universe = random.oneIn(3) ? 5 : 3;
    this.#dropOneIn = 3 + random.below(60);
    this.#poorHintOneIn = 1 + random.below(5);
    this.#actions = this.#weather();
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
      nodes: this.#universe,
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
    for (let step = 0; step < this.#options.steps; step++) this.random.pick(this.#actions)?.();
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
      const n = random.oneIn(2) ? this.#universe : 1 + random.below(this.#universe);
      const w = 1 + random.below(n);
      const r = 1 + random.below(n);
      if (quorumProblem({ n, w, r }) !== undefined) continue;
      const ids = Array.from({ length: this.#universe }, (_, at) => at + 1).sort(() => random.below(3) - 1);
      const rest = ids.slice(n);
      return configurationOf(ids.slice(0, n), w, r, rest.slice(0, random.below(rest.length + 1)));
    }
  }

  #anyNode(): ModelNode {
    return this.cluster.node(1 + this.random.below(this.#universe));
  }

  /** Everything that may happen, as often as this run's dice say. */
  #weather(): (() => void)[] {
    const { random } = this;
    const table: readonly (readonly [number, () => void])[] = [
      [300, () => this.#deliverOne()],
      [250, () => this.#disk(this.#anyNode())],
      [80, () => this.#tick(this.#anyNode())],
      [60, () => this.#ask()],
      [20, () => this.#burst()],
      [8, () => this.#links()],
      [8, () => this.#isolateLeader()],
      [5, () => this.#crashSome(this.#anyNode())],
      [10, () => this.#restartOne()],
      [5, () => this.#compactOne()],
      [5, () => this.#hint()],
      [10, () => this.#repeatOld()],
      [this.#options.reconfigure ? 8 : 0, () => this.#change()],
    ];
    return table.flatMap(([often, action]) => {
      const count = Math.ceil((often * (1 + random.below(8))) / 4);
      return Array.from({ length: count }, () => action);
    });
  }

  #restartOne(): void {
    const node = this.#anyNode();
    if (!node.isUp) this.#restart(node);
  }

  #compactOne(): void {
    const node = this.#anyNode();
    if (node.isUp) node.compact(logIndex(node.start.index + 1 + this.random.below(Math.max(1, node.applied - node.start.index))));
  }

  /** A broken or returned link, true or not. */
  #hint(): void {
    const node = this.#anyNode();
    if (node.isUp) node.step({ kind: this.random.oneIn(2) ? "peer-down" : "peer-up", nodeId: member(1 + this.random.below(this.#universe)).nodeId });
  }

  /** A message of long ago arrives once more. */
  #repeatOld(): void {
    const old = this.random.pick(this.#old);
    if (old !== undefined) this.cluster.receive(old);
  }

  /**
   * Some of the nodes run smoothly among themselves for a while, so that terms begin and entries spread; then its
   * leader takes proposals that may go nowhere.
   */
  #burst(): void {
    const { random, cluster } = this;
    const { leader } = cluster;
    const without = random.oneIn(2) ? leader : undefined;
    const group = cluster.up().filter((node) => node !== without && !random.oneIn(4));
    if (without !== undefined && random.oneIn(2)) for (const node of group) node.step({ kind: "peer-down", nodeId: member(without.id).nodeId });
    for (let round = random.below(20); round > 0; round--) {
      for (const node of group) this.#tick(node);
      for (let pass = 0; pass < 3; pass++) this.#workAmong(group);
    }
    for (const node of group) {
      if (node.core?.role !== "leader") continue;
      for (let count = random.below(4); count > 0; count--) cluster.propose(node, `p${this.#payload++}`);
    }
  }

  #workAmong(group: readonly ModelNode[]): void {
    const ids = new Set(group.map(({ id }) => id));
    const { inFlight } = this.cluster;
    const among = inFlight.filter(({ from, to }) => ids.has(from) && ids.has(to));
    const others = inFlight.filter(({ from, to }) => !ids.has(from) || !ids.has(to));
    inFlight.splice(0, inFlight.length, ...others);
    for (const envelope of among) this.#hand(envelope);
    for (const node of group) this.#finishDisk(node);
  }

  #finishDisk(node: ModelNode): void {
    node.finishSave(true);
    node.finishTask();
    node.finishInstall();
    node.finishSync();
    if (node.needsSync) node.beginSync();
  }

  #isolateLeader(): void {
    const { leader, cut } = this.cluster;
    if (leader === undefined) return;
    const oneWay = this.random.below(3);
    for (const { id } of this.cluster.nodes) {
      if (id === leader.id) continue;
      if (oneWay !== 1) cut.add(`${leader.id}>${id}`);
      if (oneWay !== 2) cut.add(`${id}>${leader.id}`);
    }
  }

  #deliverOne(): void {
    const { random, cluster } = this;
    const { inFlight } = cluster;
    const at = random.oneIn(4) ? random.below(inFlight.length) : 0;
    const envelope = inFlight[at];
    if (envelope === undefined) return;
    inFlight.splice(at, 1);
    this.#hand(envelope);
  }

  /** Delivers, loses, doubles or keeps for later. */
  #hand(envelope: Envelope): void {
    const { random, cluster } = this;
    if (random.oneIn(20)) this.#old.push(envelope);
    if (this.#old.length > 60) this.#old.splice(random.below(60), 1);
    if (random.oneIn(this.#dropOneIn)) return;
    if (random.oneIn(15)) cluster.inFlight.push(envelope);
    cluster.receive(random.oneIn(this.#poorHintOneIn) ? this.#withPoorHint(envelope) : envelope);
  }

  /** Where a rejection says to try again is only worth trying: it may be far too low, and the leader then sends what is there already. */
  #withPoorHint({ from, to, message }: Envelope): Envelope {
    if (message.kind !== "append-reply" || message.rejected === undefined) return { from, to, message };
    const { previous, hint } = message.rejected;
    const poor = { index: logIndex(this.random.below(hint.index + 1)), term: hint.term };
    return { from, to, message: { ...message, rejected: { previous, hint: poor } } };
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

  /** Asks whoever believes that it leads, the deposed ones too, and at times anyone. */
  #ask(): void {
    const { random, cluster } = this;
    const asked = random.oneIn(6) ? this.#anyNode() : random.pick(cluster.nodes.filter((node) => node.core?.role === "leader"));
    if (asked?.isUp !== true) return;
    const dice = random.below(20);
    if (dice < 12) {
      cluster.propose(asked, `p${this.#payload++}`);
      return;
    }
    if (dice < 18) {
      this.#asked.push({ node: asked, life: asked.life, id: cluster.read(asked) });
      return;
    }
    const id = cluster.nextId();
    this.#asked.push({ node: asked, life: asked.life, id });
    asked.step({ kind: "transfer", id, to: replicaId(1 + random.below(this.#universe)) });
  }

  #change(): void {
    const { random, cluster } = this;
    const leader = random.pick(cluster.nodes.filter((node) => node.core?.role === "leader"));
    if (leader === undefined) return;
    const id = cluster.nextId();
    this.#changes.push(id);
    const { voters, w, r, learners } = this.#anyConfiguration();
    leader.step({ kind: "reconfigure", id, target: { voters, w, r, learners } });
  }

  #links(): void {
    const { random, cluster } = this;
    if (random.oneIn(2)) {
      cluster.cut.clear();
      return;
    }
    const node = this.#anyNode();
    const other = this.#anyNode();
    if (other === node) return;
    cluster.cut.add(`${node.id}>${other.id}`);
    if (random.oneIn(2)) cluster.cut.add(`${other.id}>${node.id}`);
  }

  #crashSome(node: ModelNode): void {
    const { random, cluster } = this;
    const all = random.oneIn(4);
    for (const each of all ? cluster.up() : [node]) {
      if (!each.isUp) continue;
      loseUnsynced(random, each);
      if (this.#options.damage && random.oneIn(2)) damage(random, cluster, each);
      cluster.crash(each.id);
      // The others notice a broken connection, now or when it comes back.
      if (random.oneIn(2)) cluster.tellPeers(each.id, "peer-down");
      if (!this.#options.damage || all || random.oneIn(2)) continue;
      // What a damaged replica would say of its log matters most when the others need it.
      this.#restart(each);
      this.#isolateLeader();
      this.#burst();
    }
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
    const { reads, transfers } = cluster.answers;
    for (const { node, life, id } of this.#asked) {
      assert(node.life !== life || reads.has(id) || transfers.has(id), "every read and every transfer is answered, unless its process died");
    }
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
        this.#finishDisk(node);
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
