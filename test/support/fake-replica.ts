import { QuireError } from "../../src/base/errors.js";
import { endOffsetOf, type Frame } from "../../src/base/frame.js";
import { type LogIndex, logIndex, type Offset, offset, type ReplicaId, type ReplicaSetId, replicaId, type Term, term } from "../../src/base/ids.js";
import { decodeProducersEntry } from "../../src/base/producers-entry.js";
import { decodeProgressEntry } from "../../src/base/progress-entry.js";
import type { RecordBatchHeader } from "../../src/base/record-batch.js";
import { decodeTrimEntry } from "../../src/base/trim-entry.js";
import { ProducerTable } from "../../src/broker/producer-table.js";
import { ProgressTable } from "../../src/broker/progress-table.js";
import type { Configuration, Role } from "../../src/consensus/types.js";
import { type Committed, EntryKind, type LeaderHint, type Placed, type Proposal, type Replica } from "../../src/replica/types.js";
import { batchOf, headerOf } from "./batches.js";

const NO_BATCH: RecordBatchHeader = { ...headerOf(batchOf(["x"])), recordCount: 0 };

/**
 * A replica over an array. It leads and serves until told otherwise; with `commits` it commits at once (in a microtask),
 * without, when the test says `commitAll`.
 */
export class FakeReplica implements Replica {
  readonly replicaSetId: ReplicaSetId;
  readonly replicaId: ReplicaId = replicaId(1);
  configuration: Configuration = { voters: [], w: 1, r: 1, learners: [] };
  role: Role = "leader";
  term: Term = term(3);
  leader: LeaderHint | null = null;
  serving = true;
  current = true;
  commits = true;
  failure: Error | undefined;
  logStartOffset = offset(0);
  commitIndex = logIndex(0);
  /** Whether the log has its frames in memory. */
  cached = true;
  diskReads = 0;
  watchers = new Set<() => void>();
  readonly frames: Frame[] = [];
  /** As a partition's state machine would have it. */
  readonly producers = new ProducerTable();
  readonly progress = new ProgressTable();
  #dropped = 0;
  #waiting: { placed: Placed; done: (outcome: Committed | Error) => void }[] = [];
  #onDisk: (() => void)[] = [];

  constructor(id: ReplicaSetId) {
    this.replicaSetId = id;
  }

  get appliedIndex(): LogIndex {
    return this.commitIndex;
  }

  /** Entries at the end that are committed and not applied yet: readers must not see them. */
  unapplied = 0;

  get highWatermark(): Offset {
    return this.#offsetAfter(logIndex(this.commitIndex - this.unapplied));
  }

  get proposals(): number {
    return this.#waiting.length;
  }

  readonly log: Replica["log"] = this.#makeLog();

  propose(
    proposal: Proposal,
    done: (outcome: Committed | Error) => void,
    options: { placed?: (at: Placed) => void; onDisk?: (at: Placed) => void } = {},
  ): void {
    if (this.role !== "leader") {
      done(new QuireError("NOT_LEADER", "not leading"));
      return;
    }
    const placed = { index: logIndex(this.log.lastIndex + 1), term: this.term, baseOffset: this.log.endOffset };
    this.frames.push({
      index: placed.index,
      term: placed.term,
      kind: proposal.kind,
      baseOffset: placed.baseOffset,
      batch: proposal.batch ?? NO_BATCH,
      body: proposal.body,
    });
    options.placed?.(placed);
    this.#waiting.push({ placed, done });
    this.#onDisk.push(() => options.onDisk?.(placed));
    if (this.commits) queueMicrotask(() => this.commits && this.commitAll());
  }

  /** Appends and commits in the same turn. */
  #proposeNow(proposal: Proposal): void {
    const { commits } = this;
    this.commits = false;
    this.propose(proposal, () => {});
    this.commits = commits;
    this.commitAll();
  }

  /** Everything appended is on this disk, and nothing more. */
  syncAll(): void {
    for (const run of this.#onDisk.splice(0)) run();
  }

  commitAll(): void {
    this.syncAll();
    for (const { kind, batch, baseOffset, body } of this.frames.slice(this.commitIndex)) {
      if (kind === EntryKind.records && batch.producerId > 0) this.producers.wrote(batch, baseOffset);
      if (kind === EntryKind.producers) this.producers.passed(decodeProducersEntry(body));
      if (kind === EntryKind.progress) this.progress.applied(decodeProgressEntry(body), baseOffset);
    }
    this.commitIndex = this.log.lastIndex;
    for (const frame of this.frames) if (frame.kind === EntryKind.trim) this.logStartOffset = decodeTrimEntry(frame.body);
    for (const { placed, done } of this.#waiting.splice(0)) done({ ...placed, replicasOnDisk: 2 });
    this.changed();
  }

  failAll(error: Error): void {
    for (const { done } of this.#waiting.splice(0)) done(error);
  }

  /** Appends and commits one batch as if someone had produced it. */
  add(values: readonly string[], timestampMs = 0): void {
    const batch = headerOf(batchOf(values, { baseTimestampMs: timestampMs, maxTimestampMs: timestampMs }));
    this.#proposeNow({ kind: EntryKind.records, batch, body: batchOf(values).body });
  }

  /** Appends and commits an entry that is no record batch. */
  addNoOp(): void {
    this.#proposeNow({ kind: EntryKind.noOp, body: Buffer.alloc(0) });
  }

  /** Retention: drops the first entries from the log. */
  drop(entries: number): void {
    this.#dropped += entries;
    this.logStartOffset = offset(Math.max(this.logStartOffset, this.log.startOffset));
    this.changed();
  }

  stepDown(leader: LeaderHint | null): void {
    this.role = "follower";
    this.serving = false;
    this.leader = leader;
    this.changed();
  }

  changed(): void {
    for (const watcher of [...this.watchers]) watcher();
  }

  readIndexFails: Error | undefined;
  readIndex(): Promise<LogIndex> {
    return this.readIndexFails === undefined ? Promise.resolve(this.commitIndex) : Promise.reject(this.readIndexFails);
  }

  matchOf(): LogIndex | undefined {
    return undefined;
  }

  async reconfigure(): Promise<void> {}

  async transfer(): Promise<boolean> {
    return true;
  }

  watch(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  #offsetAfter(index: LogIndex): Offset {
    const last = this.frames[index - 1];
    return last === undefined ? offset(0) : last.kind === EntryKind.records ? endOffsetOf(last) : last.baseOffset;
  }

  #makeLog(): Replica["log"] {
    const replica = this;
    const slice = (from: LogIndex, through: LogIndex, bytesMax: number): Frame[] => {
      if (from <= replica.#dropped) throw new Error(`entry ${from} is gone`);
      const frames: Frame[] = [];
      let bytes = 0;
      for (const frame of replica.frames.slice(from - 1, through)) {
        bytes += frame.body.length + 100;
        if (frames.length > 0 && bytes > bytesMax) break;
        frames.push(frame);
      }
      return frames;
    };
    return {
      get logStart() {
        return { index: logIndex(replica.#dropped), term: term(1) };
      },
      get startOffset() {
        return replica.#offsetAfter(logIndex(replica.#dropped));
      },
      get endOffset() {
        return replica.#offsetAfter(replica.log.lastIndex);
      },
      bytes: 0,
      get lastIndex() {
        return logIndex(replica.frames.length);
      },
      get syncedIndex() {
        return replica.log.lastIndex;
      },
      segments: () => [],
      readCached: (from, through, bytesMax) => (replica.cached ? slice(from, through, bytesMax) : undefined),
      read: async (from, through, bytesMax) => {
        replica.diskReads += 1;
        await new Promise((resolve) => setImmediate(resolve));
        return slice(from, through, bytesMax);
      },
      indexOfOffset: async (wanted) => {
        const found = replica.frames.find((frame) => frame.index > replica.#dropped && frame.kind === EntryKind.records && endOffsetOf(frame) > wanted);
        if (found === undefined) throw new Error(`no frame holds offset ${wanted}`);
        return found.index;
      },
      findTimestamp: async (timestampMs) =>
        replica.frames.find((frame) => frame.index > replica.#dropped && frame.kind === EntryKind.records && frame.batch.maxTimestampMs >= timestampMs),
    };
  }
}
