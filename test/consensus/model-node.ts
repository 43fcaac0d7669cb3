/**
 * One replica in the tests: a core, and a disk that keeps what was synced and nothing else. It carries out effects as the
 * runner in `src/replica/` does, with every wait made explicit, so that a test decides when the disk is done.
 */
import { assert } from "../../src/base/assert.js";
import { indexPlus, type LogIndex, logIndex, nodeId, type ReplicaId, replicaId, type Term, term } from "../../src/base/ids.js";
import { type Core, createCore } from "../../src/consensus/core.js";
import type {
  Configuration,
  CoreOptions,
  Doubt,
  Effect,
  Entry,
  Event,
  HardState,
  LogPosition,
  Member,
  Message,
  Role,
  SnapshotMeta,
  TermRun,
} from "../../src/consensus/types.js";

export type ModelEntry = Entry<string>;
export type ModelEffect = Effect<string>;
export type ModelMessage = Message<string>;

export const member = (id: number): Member => ({ replicaId: replicaId(id), nodeId: nodeId(id) });

/** Where an entry list begins, and the configuration there. */
interface Start extends SnapshotMeta {
  readonly configuration: Configuration;
}

interface Disk {
  hardState: HardState;
  start: Start;
  entries: readonly ModelEntry[];
  /** Index through which the state was kept; a restart begins from there. */
  checkpoint: LogIndex;
  doubt: Doubt | undefined;
}

/** What the node tells whoever watches the whole cluster. */
export interface NodeObserver {
  effect(node: ModelNode, effect: ModelEffect): void;
  send(node: ModelNode, to: ReplicaId, message: ModelMessage): void;
  stepped(node: ModelNode): void;
}

export interface ModelNodeOptions {
  readonly id: number;
  readonly configuration: Configuration;
  readonly core: CoreOptions;
  readonly observer: NodeObserver;
  /** Entries that fit into one message. */
  readonly entriesPerMessage: () => number;
}

export class ModelNode {
  readonly id: number;
  readonly options: ModelNodeOptions;
  /** How many times its process began. */
  life = 0;
  readonly disk: Disk;
  core: Core<string> | undefined;
  /** The log as the running process sees it: `start`, then these. */
  start: Start;
  entries: ModelEntry[] = [];
  applied: LogIndex = logIndex(0);
  /** Hard states whose sync is under way, oldest first. */
  readonly saves: HardState[] = [];
  /** A group commit under way: what the disk will hold, and whether its end was truncated meanwhile. */
  syncing: { readonly start: Start; readonly entries: readonly ModelEntry[]; readonly last: LogPosition; truncated: boolean } | undefined;
  /** `replicate` and `send-snapshot` effects not carried out yet. */
  readonly tasks: Extract<ModelEffect, { kind: "replicate" | "send-snapshot" }>[] = [];
  installing: SnapshotMeta | undefined;
  /** As of the effect that is carried out, not of the end of the step. */
  announced: { role: Role; configuration: Configuration };
  readonly #events: Event<string>[] = [];
  #stepping = false;

  constructor(options: ModelNodeOptions) {
    this.id = options.id;
    this.options = options;
    this.start = { index: logIndex(0), term: term(0), configuration: options.configuration };
    this.disk = { hardState: { term: term(0), votedFor: null }, start: this.start, entries: [], checkpoint: logIndex(0), doubt: undefined };
    this.announced = { role: "learner", configuration: options.configuration };
    this.boot();
  }

  get last(): LogPosition {
    return this.entries.at(-1) ?? this.start;
  }
  get self(): ReplicaId {
    return replicaId(this.id);
  }
  get isUp(): boolean {
    return this.core !== undefined;
  }

  entryAt(index: LogIndex): ModelEntry | undefined {
    return this.entries[index - this.start.index - 1];
  }

  /** Whether the disk, not the memory, holds this entry; below its start it does by its snapshot. */
  diskHolds(index: LogIndex, at: Term): boolean {
    const { start, entries } = this.disk;
    return index <= start.index || entries[index - start.index - 1]?.term === at;
  }

  boot(): void {
    const { disk, options } = this;
    this.life++;
    this.start = disk.start;
    this.entries = [...disk.entries];
    const last = this.last.index;
    const commitIndex = logIndex(Math.min(Math.max(disk.checkpoint, disk.start.index), last));
    this.applied = commitIndex;
    const configurations = [
      { index: disk.start.index, configuration: disk.start.configuration },
      ...this.entries.flatMap(({ index, configuration }) => (configuration ? [{ index, configuration }] : [])),
    ];
    const { hardState, start } = disk;
    const termRuns = runsOf(this.entries);
    this.core = createCore<string>(
      {
        replicaId: this.self,
        hardState,
        logStart: { index: start.index, term: start.term },
        lastIndex: last,
        termRuns,
        commitIndex,
        configurations,
        ...(disk.doubt && { doubt: disk.doubt }),
      },
      options.core,
    );
    this.announced = { role: this.core.role, configuration: this.core.configuration };
  }

  /** The process ends; what was not synced is gone. */
  crash(): void {
    this.core = undefined;
    this.saves.length = 0;
    this.tasks.length = 0;
    this.syncing = undefined;
    this.installing = undefined;
    this.#events.length = 0;
  }

  step(event: Event<string>): void {
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined && this.core !== undefined; next = this.#events.shift()) {
        for (const effect of this.core.step(next)) this.#carryOut(effect);
        this.options.observer.stepped(this);
      }
    } finally {
      this.#stepping = false;
    }
  }

  #carryOut(effect: ModelEffect): void {
    if (effect.kind === "role") this.announced.role = effect.role;
    if (effect.kind === "configuration") this.announced.configuration = effect.configuration;
    this.options.observer.effect(this, effect);
    switch (effect.kind) {
      case "save-hard-state":
        this.saves.push(effect.hardState);
        return;
      case "truncate":
        this.entries.length = effect.from - this.start.index - 1;
        if (this.syncing !== undefined && this.syncing.last.index >= effect.from) this.syncing.truncated = true;
        return;
      case "append":
        for (const entry of effect.entries) {
          assert(entry.index === this.last.index + 1, "appends follow each other");
          this.entries.push(entry);
        }
        return;
      case "send":
        this.options.observer.send(this, effect.to.replicaId, effect.message);
        return;
      case "replicate":
      case "send-snapshot":
        this.tasks.push(effect);
        return;
      case "install-snapshot":
        this.installing = effect.snapshot;
        return;
      case "apply":
        assert(effect.through <= this.last.index, "what is applied is in the log");
        if (effect.through > this.applied) this.applied = effect.through;
        return;
      case "doubt-lifted":
        this.disk.doubt = undefined;
        return;
      default:
    }
  }

  /** The oldest save reaches the disk; with `all`, one sync serves them all and only the newest is told. */
  finishSave(all: boolean): void {
    const hardState = all ? this.saves.at(-1) : this.saves[0];
    if (hardState === undefined) return;
    this.saves.splice(0, all ? this.saves.length : 1);
    this.disk.hardState = hardState;
    this.step({ kind: "hard-state-saved", hardState });
  }

  get needsSync(): boolean {
    const { disk } = this;
    return (
      this.core !== undefined && this.installing === undefined && (disk.entries.length !== this.entries.length || disk.entries.at(-1) !== this.entries.at(-1))
    );
  }

  beginSync(): void {
    if (this.syncing !== undefined || this.installing !== undefined) return;
    this.syncing = { start: this.start, entries: [...this.entries], last: { index: this.last.index, term: this.last.term }, truncated: false };
  }

  finishSync(): void {
    const { syncing } = this;
    if (syncing === undefined) return;
    this.syncing = undefined;
    if (syncing.start.index !== this.start.index) return;
    this.disk.entries = syncing.entries;
    // A late report about entries that were replaced must do no harm; the same entry written anew is another matter.
    const { last } = syncing;
    if (!syncing.truncated || this.entryAt(last.index)?.term !== last.term) this.step({ kind: "synced", last });
  }

  /** Carries out the oldest replication task; a lost one is reported as such. */
  finishTask(lost = false): void {
    const task = this.tasks.shift();
    if (task === undefined) return;
    const to = task.to.replicaId;
    if (task.kind === "send-snapshot") {
      const { index, term: at, configuration } = this.start;
      const snapshot: SnapshotMeta = { index, term: at, configuration };
      if (!lost) this.options.observer.send(this, to, { kind: "snapshot", term: task.term, snapshot, state: `state ${index}` });
      this.step({ kind: "snapshot-sent", to, term: task.term, ...(!lost && { snapshot: { index, term: at } }) });
      return;
    }
    const { previous, commit, round, through } = task;
    const from = previous.index - this.start.index;
    const count = Math.min(through - previous.index, this.options.entriesPerMessage());
    const entries = from < 0 ? [] : this.entries.slice(from, from + count);
    const last = entries.at(-1);
    if (lost || last === undefined) {
      this.step({ kind: "replicated", to, term: task.term, bytes: 0 });
      return;
    }
    this.options.observer.send(this, to, { kind: "append", term: task.term, previous, commit, round, entries });
    this.step({ kind: "replicated", to, term: task.term, through: last.index, bytes: 100 * entries.length });
  }

  finishInstall(): void {
    const { installing } = this;
    if (installing === undefined) return;
    this.installing = undefined;
    this.syncing = undefined;
    this.start = installing;
    this.entries = [];
    this.disk.start = installing;
    this.disk.entries = [];
    this.disk.checkpoint = installing.index;
    this.applied = installing.index;
    this.step({ kind: "snapshot-installed", snapshot: installing });
  }

  /** Drops the log through `index`, which is applied and on disk. */
  compact(index: LogIndex): void {
    const entry = this.entryAt(index);
    if (entry === undefined || index > this.applied || !this.diskHolds(index, entry.term) || this.syncing !== undefined) return;
    const configuration = this.entries.findLast((each) => each.index <= index && each.configuration !== undefined)?.configuration ?? this.start.configuration;
    const dropped = index - this.start.index;
    this.start = { index, term: entry.term, configuration };
    this.entries = this.entries.slice(dropped);
    this.disk.entries = this.disk.entries.slice(dropped);
    this.disk.start = this.start;
    this.step({ kind: "compacted", logStart: { index, term: entry.term } });
  }
}

function runsOf(entries: readonly ModelEntry[]): TermRun[] {
  const runs: TermRun[] = [];
  for (const entry of entries) if (runs.at(-1)?.term !== entry.term) runs.push({ term: entry.term, first: indexPlus(entry.index, 0) });
  return runs;
}
