/**
 * Several model nodes, a network that loses, doubles, reorders and repeats, and the invariants of one partition
 * (the design's safety page), checked after every step of every node.
 */
import { assert } from "../../src/base/assert.js";
import { type LogIndex, logIndex, type ReplicaId, type Term } from "../../src/base/ids.js";
import type { Configuration, CoreOptions, LogPosition, QuorumSet } from "../../src/consensus/types.js";
import { type ModelEffect, type ModelEntry, type ModelMessage, ModelNode, member } from "./model-node.js";

export interface Envelope {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly message: ModelMessage;
}

export interface ClusterOptions {
  /** Replica and node ids 1 to `nodes`. */
  readonly nodes: number;
  readonly configuration: Configuration;
  readonly core: CoreOptions;
  readonly entriesPerMessage?: () => number;
  readonly onEffect?: (node: ModelNode, effect: ModelEffect) => void;
  readonly onSend?: (node: ModelNode, to: ReplicaId, message: ModelMessage) => void;
}

export const configurationOf = (voters: readonly number[], w: number, r: number, learners: readonly number[] = []): Configuration => ({
  voters: voters.map(member),
  w,
  r,
  learners: learners.map(member),
});

export class ModelCluster {
  readonly nodes: readonly ModelNode[];
  readonly inFlight: Envelope[] = [];
  readonly cut = new Set<string>();
  /** What is committed, by index: written once, never changed. */
  readonly committed: ModelEntry[] = [];
  /** In which leader's term each of them was. */
  readonly #committedIn: Term[] = [];
  /** Nodes that lost what they had synced and were not repaired since, and what they lost. */
  readonly damaged = new Map<number, ModelEntry[]>();
  readonly answers = {
    accepted: new Map<number, LogPosition>(),
    refused: new Map<number, string>(),
    reads: new Map<number, LogIndex | "failed">(),
    transfers: new Map<number, boolean>(),
  };
  readonly #readsFrom = new Map<number, number>();
  readonly #leaders = new Map<Term, number>();
  readonly #votes = new Map<string, ReplicaId>();
  readonly #entries = new Map<string, string>();
  readonly #hardStates = new Map<number, { term: Term; votedFor: ReplicaId | null }>();
  readonly #options: ClusterOptions;
  #nextId = 1;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const observer = {
      effect: (node: ModelNode, effect: ModelEffect) => this.#onEffect(node, effect),
      send: (node: ModelNode, to: ReplicaId, message: ModelMessage) => this.#onSend(node, to, message),
      stepped: (node: ModelNode) => this.#onStepped(node),
    };
    const entriesPerMessage = options.entriesPerMessage ?? (() => 100);
    const { configuration, core } = options;
    this.nodes = Array.from({ length: options.nodes }, (_, at) => new ModelNode({ id: at + 1, configuration, core, observer, entriesPerMessage }));
  }

  node(id: number): ModelNode {
    const node = this.nodes[id - 1];
    assert(node !== undefined, () => `there is no node ${id}`);
    return node;
  }

  /** The leader of the highest term among those that are up. */
  get leader(): ModelNode | undefined {
    const leaders = this.nodes.filter((node) => node.core?.role === "leader");
    return leaders.sort((a, b) => (b.core?.term ?? 0) - (a.core?.term ?? 0))[0];
  }

  nextId(): number {
    return this.#nextId++;
  }

  propose(node: ModelNode, payload: string): number {
    const id = this.nextId();
    node.step({ kind: "propose", id, entry: 1, payload });
    return id;
  }

  read(node: ModelNode): number {
    const id = this.nextId();
    this.#readsFrom.set(id, this.committed.length);
    node.step({ kind: "read", id });
    return id;
  }

  isCut(from: number, to: number): boolean {
    return this.cut.has(`${from}>${to}`);
  }

  /** Hands over one message in flight, or drops it where the link is cut or the receiver down. */
  deliver(at: number): void {
    const [envelope] = this.inFlight.splice(at, 1);
    if (envelope !== undefined) this.receive(envelope);
  }

  receive({ from, to, message }: Envelope): void {
    const node = this.node(to);
    if (this.isCut(from, to) || !node.isUp) return;
    node.step({ kind: "message", from: member(from), message });
  }

  tellPeers(id: number, kind: "peer-down" | "peer-up"): void {
    for (const node of this.nodes) if (node.id !== id && node.isUp) node.step({ kind, nodeId: member(id).nodeId });
  }

  #onSend(node: ModelNode, to: ReplicaId, message: ModelMessage): void {
    this.#options.onSend?.(node, to, message);
    const { hardState } = node.disk;
    if (message.kind === "vote-reply" && message.granted) {
      assert(hardState.term === message.term && hardState.votedFor === to, "a vote is on disk before it is told");
      const key = `${node.id}@${message.term}`;
      assert((this.#votes.get(key) ?? to) === to, () => `node ${node.id} voted twice in term ${message.term}`);
      this.#votes.set(key, to);
    }
    if (message.kind === "vote")
      assert(hardState.term === message.term && hardState.votedFor === node.self, "the vote for itself is on disk before others are asked");
    if (message.kind === "append-reply" && message.rejected === undefined) {
      assert(hardState.term === message.term, "a term is on disk before an entry of it is acknowledged");
      const entry = node.entryAt(message.match);
      assert(entry === undefined || node.diskHolds(message.match, entry.term), () => `node ${node.id} acknowledged ${message.match} before it was on disk`);
    }
    this.inFlight.push({ from: node.self, to, message });
  }

  #onEffect(node: ModelNode, effect: ModelEffect): void {
    this.#options.onEffect?.(node, effect);
    switch (effect.kind) {
      case "role":
        if (effect.role === "leader") this.#onElected(node, effect.term);
        return;
      case "append":
        this.#onEntries(node, effect.entries);
        return;
      case "truncate":
        assert(effect.from > node.applied, "nothing that is known to be committed is truncated");
        assert(node.core?.role !== "leader", "a leader never overwrites its own log");
        return;
      case "apply":
        this.#onApply(node, effect.through);
        return;
      case "accepted":
        this.answers.accepted.set(effect.id, effect.at);
        return;
      case "refused":
        this.answers.refused.set(effect.id, effect.why);
        return;
      case "read-ready":
        assert(effect.index >= (this.#readsFrom.get(effect.id) ?? 0), "a read sees all that was committed before it was asked");
        this.#answerRead(effect.id, effect.index);
        return;
      case "read-failed":
        this.#answerRead(effect.id, "failed");
        return;
      case "transfer-ended":
        assert(!this.answers.transfers.has(effect.id), "a transfer ends once");
        this.answers.transfers.set(effect.id, effect.done);
        return;
      case "doubt-lifted":
        for (const { index, term } of this.damaged.get(node.id) ?? []) {
          const isCommitted = this.committed[index - 1]?.term === term;
          assert(!isCommitted || node.diskHolds(index, term), () => `node ${node.id} is told to be whole without the committed entry ${index}/${term}`);
        }
        this.damaged.delete(node.id);
        return;
      default:
    }
  }

  #answerRead(id: number, answer: LogIndex | "failed"): void {
    assert(!this.answers.reads.has(id), "a read is answered once");
    this.answers.reads.set(id, answer);
  }

  #onElected(node: ModelNode, term: Term): void {
    const former = this.#leaders.get(term);
    assert(former === undefined || former === node.id, () => `nodes ${former} and ${node.id} both lead term ${term}`);
    this.#leaders.set(term, node.id);
    for (const [at, entry] of this.committed.entries()) {
      // A leader may learn of its election late, when the next one has already committed more.
      if ((this.#committedIn[at] ?? term) >= term) return;
      const own = entry.index <= node.start.index || node.entryAt(entry.index)?.term === entry.term;
      assert(own, () => `node ${node.id} leads term ${term} without the committed entry ${entry.index}/${entry.term}`);
    }
  }

  /** Log matching: an index and a term name one entry, and what came before it. */
  #onEntries(node: ModelNode, entries: readonly ModelEntry[]): void {
    let before = node.last.term;
    for (const { index, term, kind, payload, configuration } of entries) {
      const content = `${kind} ${payload} ${JSON.stringify(configuration)} after ${before}`;
      const key = `${index}/${term}`;
      const known = this.#entries.get(key);
      assert(known === undefined || known === content, () => `entry ${key} is both ${known} and ${content}`);
      this.#entries.set(key, content);
      before = term;
    }
  }

  #onApply(node: ModelNode, through: LogIndex): void {
    for (let index = node.applied + 1; index <= through; index++) {
      const entry = node.entryAt(logIndex(index));
      assert(entry !== undefined, "what is applied is in the log");
      const known = this.committed[index - 1];
      if (known === undefined) {
        assert(this.committed.length === index - 1, "entries commit in order");
        this.#checkDisks(node, entry);
        this.committed.push(entry);
        this.#committedIn.push(node.core?.term ?? entry.term);
      } else {
        assert(
          known.term === entry.term && known.payload === entry.payload,
          () => `node ${node.id} committed another entry ${index} than was committed before`,
        );
      }
    }
  }

  /** At commit, W disks of each set hold the entry, by the leader's configuration. */
  #checkDisks(node: ModelNode, entry: ModelEntry): void {
    const { role, configuration } = node.announced;
    assert(role === "leader", "a leader is the first to know of a commit");
    const check = ({ voters, w }: QuorumSet): void => {
      const holders = voters.filter(({ replicaId: id }) => this.damaged.has(id) || this.node(id).diskHolds(entry.index, entry.term)).length;
      assert(holders >= w, () => `entry ${entry.index}/${entry.term} committed on ${holders} disks; W is ${w}`);
    };
    check(configuration);
    if (configuration.incoming !== undefined) check(configuration.incoming);
  }

  #onStepped(node: ModelNode): void {
    const { core } = node;
    if (core === undefined) return;
    const former = this.#hardStates.get(node.id);
    const { term, votedFor } = node.disk.hardState;
    assert(
      former === undefined || term > former.term || (term === former.term && (former.votedFor === null || former.votedFor === votedFor)),
      "term and vote on disk never go back",
    );
    this.#hardStates.set(node.id, { term, votedFor });
    assert(core.term >= term, "the term in force is not below the one on disk");
    assert(core.lastIndex === (node.installing ? core.lastIndex : node.last.index), "core and log agree on where the log ends");
  }

  up(): readonly ModelNode[] {
    return this.nodes.filter((node) => node.isUp);
  }

  crash(id: number): void {
    this.node(id).crash();
  }

  restart(id: number): void {
    const node = this.node(id);
    node.boot();
    this.#onStepped(node);
  }
}
