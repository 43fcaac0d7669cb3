import { InvariantError, unreachable } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { Fifo } from "../base/fifo.js";
import { type LogIndex, type Offset, offset, type ReplicaId, type ReplicaSetId, type Term } from "../base/ids.js";
import type { Core } from "../consensus/core.js";
import type { Configuration, Effect, Entry, Event, LogPosition, Member, Message, RequestId, Role, SnapshotMeta } from "../consensus/types.js";
import { EntryKind } from "../consensus/types.js";
import type { Frame, Log, LogSettings } from "../storage/log.js";
import { Applier } from "./applier.js";
import { framesOf } from "./frames.js";
import type { ReplicaParts } from "./parts.js";
import { notLeader, PendingRequests, refusalError, tooManyReads } from "./pending.js";
import { Replicator } from "./replicator.js";
import { Snapshots } from "./snapshots.js";
import type { Committed, LeaderHint, Payload, Placed, Proposal, Replica, SnapshotPayload, StateMachine } from "./types.js";
import { unknownOutcome, WaitingProposals } from "./waiting.js";

/**
 * One replica of one replica set: feeds the consensus core with events and carries out its effects, in order. All
 * that the safety argument asks of IO stands here: nothing is said before the core heard that it is on disk.
 */
export class LocalReplica implements Replica {
  readonly replicaSetId: ReplicaSetId;
  readonly replicaId: ReplicaId;
  readonly log: Log;
  readonly machine: StateMachine;
  readonly #core: Core<Payload>;
  readonly #parts: ReplicaParts;
  readonly #applier: Applier;
  readonly #snapshots: Snapshots;
  readonly #replicator: Replicator;
  readonly #waiting = new WaitingProposals();
  readonly #pending = new PendingRequests();
  #watchers: Set<() => void> | undefined;
  /** Events that effects of the current step gave rise to; carried out before the step ends. */
  readonly #events = new Fifo<Event<Payload>>();
  #stepping = false;
  #savingHardState: Promise<void> | undefined;
  #failure: Error | undefined;
  #stopped = false;
  #stopping: Promise<void> | undefined;
  #servingTold = false;
  #currentTold = false;

  constructor(parts: ReplicaParts) {
    const { replicaSetId, log, store, cutPolicy } = parts;
    this.replicaSetId = replicaSetId;
    this.replicaId = parts.replicaId;
    this.log = log;
    this.machine = parts.machine;
    this.#parts = parts;
    this.#core = parts.core;
    const failed = (error: Error): void => this.fail(error);
    const compacted = (logStart: LogPosition): void => this.step({ kind: "compacted", logStart });
    this.#snapshots = new Snapshots({ replicaSetId, log, store, cutPolicy, kept: parts.snapshotsKept, compacted, failed });
    this.#applier = new Applier({
      log: parts.log,
      machine: parts.machine,
      reads: parts.budget.applyReads,
      restoredFrom: parts.restoredFrom,
      applied: (frame) => this.#applied(frame),
      advanced: () => {
        // Only leaders are read from, and whoever becomes one begins to be then.
        if (this.role !== "leader") this.log.release(this.appliedIndex);
        this.#tellServing();
        this.#changed();
      },
      failed,
    });
    this.#replicator = new Replicator({
      log: parts.log,
      budget: parts.budget,
      inflightBytes: (to) => (this.#works ? this.#core.inflightBytes(to) : 0),
      leads: (term) => this.#works && this.#core.role === "leader" && this.#core.term === term,
      send: (to, message) => this.#send(to, message),
      peers: parts.peers,
      snapshotFor: () => this.#snapshots.forFollower(),
      step: (event) => this.step(event),
      failed,
    });
  }

  get role(): Role {
    return this.#core.role;
  }
  get term(): Term {
    return this.#core.term;
  }
  get leader(): LeaderHint | null {
    const leader = this.#works ? this.#core.leader : null;
    return leader === null ? null : { nodeId: leader.nodeId, term: this.#core.term };
  }
  get configuration(): Configuration {
    return this.#core.configuration;
  }
  get ticking(): boolean {
    return this.#works && this.#core.ticking;
  }
  /** Applied, not only committed: after a restart the log is re-read first, and until then the state and the high watermark are older. */
  get serving(): boolean {
    return this.#works && this.#core.serving && this.#applier.appliedTerm === this.#core.term;
  }
  get current(): boolean {
    return this.#works && this.#core.current && this.appliedIndex >= this.#core.commitIndex;
  }
  get commitIndex(): LogIndex {
    return this.#core.commitIndex;
  }
  get appliedIndex(): LogIndex {
    return this.#applier.appliedIndex;
  }
  get highWatermark(): Offset {
    return this.#applier.nextOffset;
  }
  get logStartOffset(): Offset {
    const logical = this.machine.logStartOffset?.() ?? offset(0);
    return logical > this.log.startOffset ? logical : this.log.startOffset;
  }
  get failure(): Error | undefined {
    return this.#failure;
  }

  matchOf(replica: ReplicaId): LogIndex | undefined {
    return this.#core.matchOf(replica);
  }

  propose(
    proposal: Proposal,
    done: (outcome: Committed | Error) => void,
    options: { placed?: (at: Placed) => void; onDisk?: (at: Placed) => void } = {},
  ): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      done(refusal);
      return;
    }
    const recordCount = proposal.kind === EntryKind.records ? (proposal.batch?.recordCount ?? 0) : 0;
    const id = this.#pending.addProposal({ recordCount, done, placed: options.placed, onDisk: options.onDisk });
    this.step({ kind: "propose", id, entry: proposal.kind, payload: proposal });
  }

  reconfigure(target: Omit<Configuration, "incoming">): Promise<void> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const done = (outcome: Committed | Error): void => (outcome instanceof Error ? reject(outcome) : resolve());
      const id = this.#pending.addProposal({ recordCount: 0, done, placed: undefined, onDisk: undefined });
      this.step({ kind: "reconfigure", id, target });
    });
  }

  readIndex(): Promise<LogIndex> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => this.step({ kind: "read", id: this.#pending.addRead({ resolve, reject }) }));
  }

  transfer(to: ReplicaId): Promise<boolean> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve) => this.step({ kind: "transfer", id: this.#pending.addTransfer(resolve), to }));
  }

  watch(changed: () => void): () => void {
    this.#watchers ??= new Set();
    this.#watchers.add(changed);
    return () => this.#watchers?.delete(changed);
  }

  /** Tells the core one event and carries out what it asks for. Events raised meanwhile follow in order. */
  step(event: Event<Payload>): void {
    if (!this.#works) return;
    if (this.#stepping) return this.#events.push(event);
    this.#stepping = true;
    try {
      for (let next: Event<Payload> | undefined = event; next !== undefined; next = this.#events.shift()) {
        for (const effect of this.#core.step(next)) {
          if (!this.#works) return;
          this.#carryOut(effect);
        }
      }
    } finally {
      this.#stepping = false;
      this.#events.clear();
    }
    this.#replicator.account();
    this.#tellServing();
  }

  tick(): void {
    this.step({ kind: "tick" });
    this.#waiting.tick(this.role === "leader");
    if (!this.#core.ticking) this.#tellTicking();
  }

  /** The log's callback: a group commit is on disk. */
  synced(last: LogPosition): void {
    this.#snapshots.synced(last.index);
    this.#waiting.synced(last.index);
    this.step({ kind: "synced", last });
  }

  /** This replica stops for good and says why (rule 11). A broken invariant is no failure of its disk: it ends the process. */
  fail(error: Error, { isLogDamaged = false } = {}): void {
    if (error instanceof InvariantError) throw error;
    if (!this.#works) return;
    this.#failure = error;
    this.#parts.logger.error({ replicaSetId: this.replicaSetId, replicaId: this.replicaId, error }, "a replica stopped; the others go on without it");
    this.#endAll("this replica stopped");
    this.#parts.host.failed(this, { isLogDamaged });
    this.#changed();
  }

  applySettings(settings: LogSettings): void {
    this.log.configure(settings);
  }

  /** Ends politely: a last checkpoint, so that the next start re-reads nothing, then the log is closed. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#stopped = true;
    this.#endAll("this broker stopped");
    this.#changed();
    // What is under way is written until it is done: after the replica is removed nothing may be, and one that begins anew must find its term and vote.
    await Promise.all([this.#savingHardState, this.#snapshots.settled()]);
    if (this.#failure === undefined && this.appliedIndex <= this.log.syncedIndex && this.#snapshots.isNews(this.appliedIndex)) {
      this.#saveSnapshot();
      await this.#snapshots.settled();
    }
    await this.log.close();
  }

  /** Neither failed nor stopped: only then anything may be said or done. */
  get #works(): boolean {
    return this.#failure === undefined && !this.#stopped;
  }

  #refusal(): QuireError | undefined {
    if (this.#failure !== undefined)
      return new QuireError("REPLICA_FAILED", `this broker's replica stopped: ${this.#failure.message}`, { cause: this.#failure });
    if (this.#stopped) return new QuireError("SHUTTING_DOWN", "this broker is stopping");
    if (this.#core.role !== "leader") return notLeader(this.leader);
    return undefined;
  }

  #carryOut(effect: Effect<Payload>): void {
    switch (effect.kind) {
      case "save-hard-state": {
        const { hardState } = effect;
        this.#savingHardState = this.#parts.store.saveHardState(this.replicaSetId, hardState).then(
          () => this.step({ kind: "hard-state-saved", hardState }),
          (error: Error) => this.fail(error),
        );
        return;
      }
      case "truncate":
        if (this.#changeLog(() => this.log.truncate(effect.from))) this.#waiting.truncated(effect.from);
        return;
      case "append":
        this.#append(effect.entries);
        return;
      case "send":
        this.#send(effect.to, effect.message);
        return;
      case "replicate":
        this.#replicator.replicate(effect);
        return;
      case "send-snapshot":
        this.#replicator.sendSnapshot(effect.to, effect.term);
        return;
      case "install-snapshot":
        this.#install(effect.snapshot, effect.state as SnapshotPayload).catch((error: Error) => this.fail(error));
        return;
      case "apply":
        this.#applier.through(effect.through);
        return;
      case "accepted":
        this.#accepted(effect.id, effect.at);
        return;
      case "refused":
        this.#pending.takeProposal(effect.id)?.done(refusalError(effect.why, this.leader));
        return;
      case "read-ready":
        this.#pending.readConfirmed(effect.id, effect.index, this.appliedIndex);
        return;
      case "read-failed":
        this.#pending.readFailed(effect.id, this.role === "leader" ? tooManyReads() : notLeader(this.leader));
        return;
      case "transfer-ended":
        this.#pending.transferEnded(effect.id, effect.done);
        return;
      case "role":
        this.#parts.logger.debug({ replicaSetId: this.replicaSetId, role: effect.role, term: effect.term, leader: effect.leader?.nodeId }, "role changed");
        this.#parts.host.leadershipChanged(this);
        this.#changed();
        return;
      case "configuration":
        return;
      case "ticking":
        this.#tellTicking();
        return;
      case "doubt-lifted":
        this.log.clearDoubt().catch((error: Error) => this.fail(error));
        return;
      default:
        unreachable(effect);
    }
  }

  /** A log that cannot do what it must (it is damaged where it is to be cut, say) stops this replica, not the broker. */
  #changeLog(change: () => void): boolean {
    try {
      change();
    } catch (error) {
      this.fail(error as Error, { isLogDamaged: error instanceof QuireError && error.reason === "LOG_CORRUPT" });
    }
    return this.#works;
  }

  #append(entries: readonly Entry<Payload>[]): void {
    if (!this.#changeLog(() => this.log.append(framesOf(entries, this.log.endOffset)))) return;
    // A new segment may have begun right after what is applied: this is the moment for the snapshot at its predecessor's end.
    if (this.#snapshots.due(this.appliedIndex, 0)) this.#checkpoint();
  }

  /** The place is given once the append was carried out: the proposal's records are the log's last. */
  #accepted(id: RequestId, at: LogPosition): void {
    const request = this.#pending.takeProposal(id);
    if (request === undefined) return;
    const placed: Placed = { index: at.index, term: at.term, baseOffset: offset(this.log.endOffset - request.recordCount) };
    this.#waiting.add({ at: placed, done: request.done, onDisk: request.onDisk });
    request.placed?.(placed);
  }

  #applied(frame: Frame): void {
    this.#waiting.applied(frame.index, frame.term, (index) => this.#core.replicasOnDisk(index));
    this.#pending.applied(frame.index);
    if (frame.kind === EntryKind.trim) this.#snapshots.cutBefore(this.logStartOffset, frame.index);
    if (this.#snapshots.due(frame.index, frame.omittedBytes ?? frame.body.length)) this.#checkpoint();
  }

  #saveSnapshot(): void {
    const { appliedIndex: index, configuration, nextOffset } = this.#applier;
    const term = this.log.termAt(index);
    if (term !== undefined) this.#snapshots.save({ index, term, configuration, nextOffset, state: this.machine.snapshot() });
  }

  #checkpoint(): void {
    this.#saveSnapshot();
    this.#snapshots.cutBefore(this.#parts.cutPolicy === "state" ? this.#applier.nextOffset : this.logStartOffset, this.appliedIndex);
  }

  async #install(meta: SnapshotMeta, payload: SnapshotPayload): Promise<void> {
    this.#applier.pause();
    await this.#snapshots.install(meta, payload);
    if (!this.#works) return;
    this.#waiting.installed(meta.index);
    this.machine.restore(payload.state);
    this.#applier.restored(meta.index, payload.nextOffset, meta.configuration);
    this.#pending.applied(meta.index);
    this.step({ kind: "snapshot-installed", snapshot: meta });
    this.#changed();
  }

  #send(to: Member, message: Message<Payload>): boolean {
    return this.#works && this.#parts.peers.send(to.nodeId, { replicaSetId: this.replicaSetId, from: this.replicaId, to: to.replicaId, message });
  }

  #endAll(why: string): void {
    this.#applier.stop();
    this.#replicator.account();
    this.#waiting.failAll((at) => unknownOutcome(at, why));
    // What has no place yet was not appended.
    this.#pending.endAll(this.#refusal() ?? notLeader(null));
  }

  /** Ticks go on while proposals of a leadership that was lost wait: for some, only time brings an answer. */
  #tellTicking(): void {
    this.#parts.host.ticking(this, this.ticking || (this.#works && this.role !== "leader" && this.#waiting.size > 0));
  }

  /** `serving` follows from the core's state without an effect of its own; so does `current`, of which others wait for the first time. */
  #tellServing(): void {
    const serving = this.serving;
    const current = this.#currentTold || this.current;
    if (serving === this.#servingTold && current === this.#currentTold) return;
    this.#servingTold = serving;
    this.#currentTold = current;
    this.#parts.host.leadershipChanged(this);
    this.#changed();
  }

  #changed(): void {
    for (const changed of this.#watchers ?? []) changed();
  }
}
