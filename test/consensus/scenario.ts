/**
 * Runs scenarios that read like a log. A line is a command, or an expectation about what the commands since the last
 * block of expectations brought about:
 *
 *     > n1 commit 2        happened, after what the lines above it say
 *     ! n1 commit 3        did not happen
 *     = n1 leader 2/1      role, last index and term now; more facts may follow: `commit 2`, `term 3`, `asleep`, `doubt`
 *
 * Unless told otherwise messages arrive at once and disks are quick; after each command everything comes to rest. The
 * commands are the methods of `Commands`; their words are numbers of nodes, quoted payloads and `name=value` options.
 */
import assert from "node:assert/strict";
import { logIndex, replicaId } from "../../src/base/ids.js";
import { majority } from "../../src/base/quorum.js";
import type { CoreOptions } from "../../src/consensus/types.js";
import { configurationOf, type Envelope, ModelCluster } from "./model-cluster.js";
import { type ModelNode, member } from "./model-node.js";
import { traceEffect, traceMessage } from "./trace.js";

/** Timers take their longest; nonces, which are drawn from a large range, differ. */
let nonces = 0;
const CORE: CoreOptions = {
  heartbeatTicks: 1,
  electionTicks: 10,
  suspicionTicks: 3,
  quiesceTicks: 20,
  inflightMessagesMax: 4,
  inflightBytesMax: 10_000,
  random: (bound) => (bound > 1_000_000 ? ++nonces : bound - 1),
};

/** Runs a transcript; the first expectation that does not hold fails with its line and what happened instead. */
export function scenario(transcript: string): void {
  const run = new Scenario();
  for (const [at, raw] of transcript.split("\n").entries()) {
    const line = raw.replace(/#.*$/, "").trim();
    if (line === "") continue;
    try {
      run.line(line);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`line ${at + 1}, "${line}": ${message}\nwhat happened:\n  ${run.recent.join("\n  ")}`, { cause: error });
    }
  }
}

interface Words {
  /** The node numbers, in order. */
  readonly nodes: readonly number[];
  readonly payloads: readonly string[];
  option(name: string): string | undefined;
  /** A list of numbers given as `name=1,2,3`. */
  list(name: string): readonly number[] | undefined;
}

function parse(words: readonly string[]): Words {
  const options = new Map(words.filter((word) => word.includes("=")).map((word) => word.split("=", 2) as [string, string]));
  return {
    nodes: words.filter((word) => /^\d+$/.test(word)).map(Number),
    payloads: words.filter((word) => word.startsWith('"')).map((word) => word.slice(1, -1)),
    option: (name) => options.get(name),
    list: (name) =>
      options
        .get(name)
        ?.split(",")
        .filter((word) => word !== "none")
        .map(Number),
  };
}

class Scenario {
  #cluster: ModelCluster | undefined;
  #trace: string[] = [];
  #cursor = 0;
  #expecting = false;
  readonly #heldDisks = new Set<number>();
  #holding = false;
  readonly #kept: Envelope[] = [];
  readonly #proposals = new Map<number, { node: number; payload: string }>();
  #entriesPerMessage = 100;

  get recent(): readonly string[] {
    return this.#trace;
  }

  line(line: string): void {
    const [head = "", ...rest] = line.match(/"[^"]*"|\S+/g) ?? [];
    if (head === ">" || head === "!" || head === "=") {
      this.#expecting = true;
      this.#expect(head, line.slice(1).trim());
      return;
    }
    if (this.#expecting) this.#trace = [];
    if (this.#expecting) this.#cursor = 0;
    this.#expecting = false;
    const command = this.#commands[head];
    assert.ok(command !== undefined, `there is no command ${head}`);
    command(parse(rest), rest);
    this.#settle();
  }

  #expect(sign: string, text: string): void {
    if (sign === "!") {
      assert.ok(!this.#trace.some((happened) => happened.startsWith(text)), "this was not to happen");
    } else if (sign === "=") {
      this.#expectState(text);
    } else {
      const found = this.#trace.indexOf(text, this.#cursor);
      assert.ok(found >= 0, "this was to happen");
      this.#cursor = found + 1;
    }
  }

  #expectState(text: string): void {
    const [name = "", role, last, ...facts] = text.split(" ");
    const node = this.#node(Number(name.slice(1)));
    const { core } = node;
    assert.equal(core?.role ?? "down", role);
    if (last !== undefined) assert.equal(`${node.last.index}/${node.last.term}`, last);
    const has = (fact: string): boolean => facts.includes(fact);
    const numberAfter = (fact: string): number | undefined => (has(fact) ? Number(facts[facts.indexOf(fact) + 1]) : undefined);
    assert.equal(core?.commitIndex, numberAfter("commit") ?? core?.commitIndex, "commit index");
    assert.equal(core?.term, numberAfter("term") ?? core?.term, "term");
    if (has("asleep")) assert.equal(core?.ticking, false);
    if (has("awake")) assert.equal(core?.ticking, true);
    if (has("doubt")) assert.notEqual(core?.doubt, undefined);
    if (has("whole")) assert.equal(core?.doubt, undefined);
    if (has("serving")) assert.equal(core?.serving, true);
  }

  get #running(): ModelCluster {
    assert.ok(this.#cluster !== undefined, "a scenario begins with `nodes`");
    return this.#cluster;
  }
  #node(id: number | undefined): ModelNode {
    return this.#running.node(id ?? 0);
  }
  /** The nodes named, or all. */
  #named(words: Words): readonly ModelNode[] {
    return words.nodes.length === 0 ? this.#running.nodes : words.nodes.map((id) => this.#node(id));
  }

  readonly #commands: Record<string, (words: Words, raw: readonly string[]) => void> = {
    /** nodes 3 [w=2 r=2] [voters=1,2] [learners=3] [batch=entries in one message] */
    nodes: (words) => {
      const count = words.nodes[0] ?? 0;
      const voters = words.list("voters") ?? Array.from({ length: count }, (_, at) => at + 1);
      const quorum = (name: string): number => Number(words.option(name) ?? majority(voters.length));
      this.#entriesPerMessage = Number(words.option("batch") ?? 100);
      this.#cluster = new ModelCluster({
        nodes: count,
        configuration: configurationOf(voters, quorum("w"), quorum("r"), words.list("learners")),
        core: CORE,
        entriesPerMessage: () => this.#entriesPerMessage,
        onEffect: (node, effect) => {
          for (const line of traceEffect(effect)) this.#trace.push(`n${node.id} ${line}`);
          if (effect.kind === "apply") this.#acknowledge(node, effect.through);
        },
        onSend: (node, to, message) => {
          const line = traceMessage(to, message);
          if (line !== undefined) this.#trace.push(`n${node.id} ${line}`);
        },
      });
    },
    /** Ticks pass at this node until it leads; at the others only until they stop shielding their leader. */
    elect: (words) => {
      const node = this.#node(words.nodes[0]);
      for (let tick = 0; node.core?.role !== "leader"; tick++) {
        assert.ok(tick < 100, "it is never elected");
        this.#tick(node);
        for (const other of this.#running.up()) if (other !== node && other.core?.role !== "leader" && other.core?.leader != null) this.#tick(other);
      }
    },
    tick: (words, raw) => {
      const ids = words.nodes.slice(1);
      for (let tick = Number(raw[0]); tick > 0; tick--) for (const node of this.#running.up()) if (ids.length === 0 || ids.includes(node.id)) this.#tick(node);
    },
    propose: (words) => {
      for (const payload of words.payloads) {
        const node = this.#node(words.nodes[0]);
        const id = this.#running.nextId();
        this.#proposals.set(id, { node: node.id, payload });
        node.step({ kind: "propose", id, entry: 1, payload });
      }
    },
    read: (words) => void this.#running.read(this.#node(words.nodes[0])),
    transfer: (words) => this.#node(words.nodes[0]).step({ kind: "transfer", id: this.#running.nextId(), to: replicaId(words.nodes[1] ?? 0) }),
    /** reconfigure 1 voters=1,2,3 w=2 r=2 [learners=4] */
    reconfigure: (words) => {
      const voters = words.list("voters") ?? [];
      const target = configurationOf(
        voters,
        Number(words.option("w") ?? majority(voters.length)),
        Number(words.option("r") ?? majority(voters.length)),
        words.list("learners"),
      );
      this.#node(words.nodes[0]).step({ kind: "reconfigure", id: this.#running.nextId(), target });
    },
    /** cut 3: from and to everyone. cut 1>2: one way. */
    cut: (words, raw) => {
      const { cut, nodes } = this.#running;
      for (const word of raw) if (word.includes(">")) cut.add(word);
      for (const id of words.nodes) for (const other of nodes) cut.add(`${id}>${other.id}`).add(`${other.id}>${id}`);
    },
    /** part 1 2: these and the others hear nothing of each other. */
    part: ({ nodes }) => {
      const others = this.#running.nodes.filter(({ id }) => !nodes.includes(id));
      for (const id of nodes) for (const other of others) this.#running.cut.add(`${id}>${other.id}`).add(`${other.id}>${id}`);
    },
    heal: () => this.#running.cut.clear(),
    /** From now on syncs of these disks take until `sync`. */
    slow: (words) => {
      for (const { id } of this.#named(words)) this.#heldDisks.add(id);
    },
    sync: (words) => {
      for (const { id } of this.#named(words)) this.#heldDisks.delete(id);
    },
    /** From now on messages wait until `deliver`, which hands them over (those to the nodes named) in order. */
    hold: () => {
      this.#holding = true;
    },
    deliver: (words) => {
      const { inFlight } = this.#running;
      const mine = inFlight.filter(({ to }) => words.nodes.length === 0 || words.nodes.includes(to));
      for (const envelope of mine) inFlight.splice(inFlight.indexOf(envelope), 1);
      for (const envelope of mine) this.#running.receive(envelope);
    },
    flow: () => {
      this.#holding = false;
    },
    lose: () => void this.#running.inFlight.splice(0),
    /** Messages under way are kept, to arrive once more with `replay`. */
    keep: () => void this.#kept.push(...this.#running.inFlight),
    replay: () => {
      for (const envelope of this.#kept) this.#running.receive(envelope);
    },
    crash: (words) => {
      for (const { id } of this.#named(words)) this.#running.crash(id);
    },
    /** restart 2 [torn=5 | damaged=5]: what was from 5 on is gone or unreadable. */
    restart: (words) => {
      for (const node of this.#named(words)) {
        this.#damage(node, words);
        this.#running.restart(node.id);
      }
    },
    down: (words) => this.#node(words.nodes[0]).step({ kind: "peer-down", nodeId: member(words.nodes[1] ?? 0).nodeId }),
    up: (words) => this.#node(words.nodes[0]).step({ kind: "peer-up", nodeId: member(words.nodes[1] ?? 0).nodeId }),
    compact: (words) => this.#node(words.nodes[0]).compact(logIndex(words.nodes[1] ?? 0)),
    batch: (words) => {
      this.#entriesPerMessage = words.nodes[0] ?? 1;
    },
  };

  #damage(node: ModelNode, words: Words): void {
    for (const kind of ["torn", "damaged"] as const) {
      const from = words.option(kind);
      if (from === undefined) continue;
      const { disk } = node;
      const lost = disk.entries.filter(({ index }) => index >= Number(from));
      if (lost.length > 0) this.#running.damaged.set(node.id, lost);
      disk.entries = disk.entries.filter(({ index }) => index < Number(from));
      disk.doubt = { kind, from: logIndex(Number(from)) };
    }
  }

  #tick(node: ModelNode): void {
    if (node.core?.ticking === true) node.step({ kind: "tick" });
    this.#settle();
  }

  #acknowledge(node: ModelNode, through: number): void {
    const { accepted } = this.#running.answers;
    for (const [id, { node: asked, payload }] of this.#proposals) {
      const at = accepted.get(id);
      if (asked !== node.id || at === undefined || at.index > through || node.entryAt(at.index)?.term !== at.term) continue;
      this.#proposals.delete(id);
      this.#trace.push(`n${node.id} acknowledge "${payload}"`);
    }
  }

  #settle(): void {
    const cluster = this.#cluster;
    if (cluster === undefined) return;
    for (let spins = 0; this.#work(cluster); spins++) assert.ok(spins < 10_000, "messages come to an end");
  }

  #work(cluster: ModelCluster): boolean {
    let busy = false;
    while (!this.#holding && cluster.inFlight.length > 0) {
      busy = true;
      cluster.deliver(0);
    }
    for (const node of cluster.up()) {
      if (node.tasks.length > 0) busy = true;
      node.finishTask();
      if (this.#heldDisks.has(node.id)) continue;
      if (node.saves.length > 0 || node.installing !== undefined || node.needsSync) busy = true;
      node.finishSave(true);
      node.finishInstall();
      if (node.needsSync) node.beginSync();
      node.finishSync();
    }
    return busy;
  }
}
