/**
 * Says up to where records are processed: for all partitions of one consumer, one request per leader at a time, what is done meanwhile going into the
 * next. Repeats until it is answered. A partition that others own now is lost: nothing more of it can be committed, which is told once.
 */
import { assert } from "../../base/assert.js";
import { type QuireError, toQuireError } from "../../base/errors.js";
import { limits } from "../../base/limits.js";
import { callUnary } from "../../wire/call.js";
import type { CommitAnswer, CommitOffsetsResponse } from "../../wire/group-messages.js";
import { groupService } from "../../wire/services.js";
import { fromStatus } from "../../wire/status.js";
import { type Connections, closedError } from "../connections.js";
import type { Metadata } from "../metadata.js";
import type { ClientOptions } from "../options.js";
import type { ClientPorts } from "../ports.js";
import { abortable } from "../ports.js";
import { retryDelayMs } from "../retry.js";

export interface OwnedPlace {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
}

export interface CommitterParts {
  readonly group: string;
  readonly memberId: string;
  readonly commitIntervalMs: number;
  readonly options: ClientOptions;
  readonly ports: ClientPorts;
  readonly metadata: Metadata;
  readonly connections: Connections;
}

interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
  readonly reject: (why: QuireError) => void;
}

/** One owned partition's progress. */
export class Commits {
  readonly place: OwnedPlace;
  /** Just past the last record that is processed; -1 before any. */
  wanted = -1;
  /** As answered; -1 before any answer. */
  committed = -1;
  /** @internal */
  isUnderWay = false;
  /** @internal */
  failures = 0;
  /** @internal */
  notBeforeMs = 0;
  /** Set when nothing can be committed any more. */
  lost: QuireError | undefined;
  readonly #changed: (commits: Commits, now: boolean) => void;
  readonly #onLost: (why: QuireError) => void;
  #waiters: Waiter[] = [];

  constructor(place: OwnedPlace, changed: (commits: Commits, now: boolean) => void, onLost: (why: QuireError) => void) {
    this.place = place;
    this.#changed = changed;
    this.#onLost = onLost;
  }

  get isDirty(): boolean {
    return this.lost === undefined && this.wanted > this.committed;
  }

  get hasWaiters(): boolean {
    return this.#waiters.length > 0;
  }

  /** All records before `offset` are processed: committed before long. */
  mark(offset: number): void {
    if (offset <= this.wanted) return;
    const wasDirty = this.isDirty;
    this.wanted = offset;
    if (!wasDirty && this.lost === undefined) this.#changed(this, false);
  }

  /** The same, at once; resolves when it is committed. @throws QuireError why that will never be */
  commit(offset: number): Promise<void> {
    this.mark(offset);
    return this.settled(offset);
  }

  /** Resolves when everything that was marked is committed, at once then. @throws QuireError why that will never be */
  settled(offset: number = this.wanted): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.committed >= offset) return resolve();
      if (this.lost !== undefined) return reject(this.lost);
      this.#waiters.push({ offset, resolve, reject });
      this.#changed(this, true);
    });
  }

  /** @internal */
  answered(offset: number): void {
    this.committed = Math.max(this.committed, offset);
    this.failures = 0;
    const done = this.#waiters.filter((waiter) => waiter.offset <= this.committed);
    if (done.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.offset > this.committed);
    for (const waiter of done) waiter.resolve();
  }

  /** Nothing more is committed. @param quietly the owner knows */
  lose(why: QuireError, quietly = false): void {
    if (this.lost !== undefined) return;
    this.lost = why;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(why);
    if (!quietly) this.#onLost(why);
  }
}

/** One of so many failures in a row is a warning. */
const FAILURES_TOLD = 20;
/** Any broker: it forwards. */
const ANYBODY = "";

export class Committer {
  readonly #parts: CommitterParts;
  readonly #dirty = new Set<Commits>();
  readonly #underWay = new Set<string>();
  readonly #closed = new AbortController();
  #isPlanned = false;
  #dueMs = Number.POSITIVE_INFINITY;
  #cancel: () => void = () => {};

  constructor(parts: CommitterParts) {
    this.#parts = parts;
  }

  /** @param onLost told once when the partition is others' */
  track(place: OwnedPlace, onLost: (why: QuireError) => void): Commits {
    return new Commits(place, (commits, now) => this.#changed(commits, now), onLost);
  }

  close(): void {
    this.#cancel();
    this.#closed.abort(closedError());
    for (const commits of this.#dirty) commits.lose(closedError(), true);
    this.#dirty.clear();
  }

  #changed(commits: Commits, now: boolean): void {
    if (this.#closed.signal.aborted) return commits.lose(closedError(), true);
    this.#dirty.add(commits);
    this.#plan(now ? 0 : this.#parts.commitIntervalMs);
  }

  #plan(delayMs: number): void {
    const { clock } = this.#parts.ports;
    const dueMs = clock.monotonicMs() + delayMs;
    if (this.#isPlanned && this.#dueMs <= dueMs) return;
    this.#cancel();
    this.#isPlanned = true;
    this.#dueMs = dueMs;
    let isCancelled = false;
    const run = (): void => {
      if (isCancelled) return;
      this.#isPlanned = false;
      if (!this.#closed.signal.aborted) this.#flush();
    };
    if (delayMs > 0) {
      const timer = clock.after(delayMs, run);
      this.#cancel = () => timer.cancel();
    } else {
      clock.soon(run);
      this.#cancel = () => {
        isCancelled = true;
      };
    }
  }

  #flush(): void {
    const nowMs = this.#parts.ports.clock.monotonicMs();
    const requests = new Map<string, Commits[]>();
    for (const commits of this.#dirty) {
      if (!commits.isDirty) this.#dirty.delete(commits);
      if (!commits.isDirty || commits.isUnderWay || commits.notBeforeMs > nowMs) continue;
      const { topic, partition } = commits.place;
      // A leader that failed twice may be out of our reach alone.
      const address = commits.failures > 1 ? ANYBODY : (this.#parts.metadata.cache.leader(topic, partition)?.address ?? ANYBODY);
      if (this.#underWay.has(address)) continue;
      const request = requests.get(address);
      if (request === undefined) requests.set(address, [commits]);
      else if (request.length < limits.offsetsPerRequest) request.push(commits);
    }
    for (const [address, asked] of requests) void this.#send(address, asked);
    this.#planNext(nowMs);
  }

  /** For those that wait until a retry may help; those behind a request under way are looked at when it is answered. */
  #planNext(nowMs: number): void {
    let wakeMs = Number.POSITIVE_INFINITY;
    for (const commits of this.#dirty)
      if (commits.isDirty && !commits.isUnderWay && commits.notBeforeMs > nowMs) wakeMs = Math.min(wakeMs, commits.notBeforeMs);
    if (wakeMs !== Number.POSITIVE_INFINITY) this.#plan(Math.max(1, wakeMs - nowMs));
  }

  async #send(address: string, asked: readonly Commits[]): Promise<void> {
    this.#underWay.add(address);
    for (const commits of asked) commits.isUnderWay = true;
    const offsets = asked.map((commits) => commits.wanted);
    let answers: readonly CommitAnswer[] = [];
    let failure: QuireError | undefined;
    try {
      ({ answers } = await this.#call(address, asked));
      assert(answers.length === asked.length, "a broker answers each commit");
    } catch (thrown) {
      failure = toQuireError(thrown);
    }
    this.#underWay.delete(address);
    for (const [at, commits] of asked.entries()) {
      commits.isUnderWay = false;
      this.#answered(commits, offsets[at] ?? -1, answers[at], failure);
    }
    if (this.#closed.signal.aborted) return;
    for (const commits of this.#dirty) if (!commits.isDirty) this.#dirty.delete(commits);
    if (this.#dirty.size === 0) return;
    const isUrgent = [...this.#dirty].some((commits) => commits.hasWaiters);
    this.#plan(isUrgent ? 0 : this.#parts.commitIntervalMs);
  }

  async #call(address: string, asked: readonly Commits[]): Promise<CommitOffsetsResponse> {
    const { group, memberId, options, ports, metadata, connections } = this.#parts;
    const { signal } = this.#closed;
    const request = { group, memberId, commits: asked.map((commits) => ({ ...commits.place, offset: commits.wanted })) };
    if (address === ANYBODY) return await metadata.calls.call(groupService.CommitOffsets, request, { signal });
    const client = await abortable(connections.ready(address, "control", options.requestTimeoutMs), signal);
    return await callUnary(client, groupService.CommitOffsets, request, { deadline: ports.clock.wallMs() + options.requestTimeoutMs, signal });
  }

  #answered(commits: Commits, offset: number, answer: CommitAnswer | undefined, failure: QuireError | undefined): void {
    const { options, ports, metadata } = this.#parts;
    const { topic, partition } = commits.place;
    if (answer !== undefined && answer.leader !== null) metadata.hint(topic, partition, answer.leader);
    const error = failure ?? (answer?.error == null ? undefined : fromStatus(answer.error));
    if (error === undefined) return commits.answered(Math.max(offset, answer?.offset ?? -1));
    if (this.#closed.signal.aborted) return;
    // A whole request that fails for good says nothing of one partition, except that it is not to be had this way.
    if (error.retry === "never" && failure === undefined) return commits.lose(error);
    commits.failures += 1;
    const what = { topic, partition, offset, failures: commits.failures, error };
    if (commits.failures % FAILURES_TOLD === 0) options.logger.warn(what, "progress cannot be committed; it is tried again");
    else options.logger.debug(what, "a commit is tried again");
    commits.notBeforeMs = ports.clock.monotonicMs() + (commits.failures === 1 ? 0 : retryDelayMs(commits.failures, options, ports.random, error));
  }
}
