import { type QuireError, toQuireError } from "../../base/errors.js";
import type { NodeId, ReplicaSetId } from "../../base/ids.js";
import type { Clock, Logger } from "../../base/ports.js";
import type { AssignmentStrategy, GroupInfo, GroupMemberInfo, GroupsAdmin, GroupsView } from "../../cluster/group-info.js";
import type { ClusterView } from "../../cluster/view.js";
import { assign, type Target } from "./assignment.js";
import { assignmentInput } from "./assignment-input.js";
import { Debounce } from "./debounce.js";
import { isNewer, isOthers, isSameMember, successorOf } from "./group-compare.js";
import { MemberSession, type MemberStream } from "./member-session.js";
import { planChange } from "./plan-change.js";
import { fenced, inconsistentStrategy, notCoordinator, replaced } from "./refusals.js";
import { inSlices } from "./slices.js";
import { Wanted } from "./wanted.js";

export interface RunnerParts {
  readonly view: ClusterView;
  readonly groups: GroupsView;
  readonly admin: GroupsAdmin;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Nothing is left to do for this group here. */
  readonly ended: (runner: GroupRunner) => void;
  /** A session may end at this time; monotonic. */
  readonly due: (dueMs: number) => void;
}

/** Who enters, until the metadata has it. */
interface Entering {
  readonly member: GroupMemberInfo;
  readonly stream: MemberStream;
  readonly holding: readonly ReplicaSetId[];
}

/** What is waited for before partitions are shared out anew: a thousand members that come at once are one change and not a thousand. */
const JOIN_QUIET_MS = 30;
const JOIN_WAIT_MS_MAX = 300;
const RETRY_MS_MIN = 25;
const RETRY_MS_MAX = 1_000;

/**
 * Coordinates one group: brings what the metadata says of it, step by step, to what it shall be. One change is under way at a time, and all that happens
 * meanwhile goes into the next one. Its state here is soft: whoever takes over goes on from the metadata.
 */
export class GroupRunner {
  readonly name: string;
  readonly #parts: RunnerParts;
  /** The newest that is known: from the view, or as the answer to a change. */
  #group: GroupInfo | undefined;
  readonly #sessions = new Map<string, MemberSession>();
  readonly #entering = new Map<string, Entering>();
  readonly #leaving = new Set<string>();
  /** Of a change under way. */
  #leavingNow: ReadonlySet<string> = new Set();
  #strategy: AssignmentStrategy;
  #target: Target | undefined;
  readonly #wanted = new Wanted();
  readonly #recompute: Debounce;
  #running = false;
  #closed = false;
  /** This broker ends: the group is handed over. */
  #isEnding = false;
  #retryMs = RETRY_MS_MIN;
  #wake: (() => void) | undefined;

  constructor(name: string, parts: RunnerParts) {
    this.name = name;
    this.#parts = parts;
    this.#group = parts.groups.group(name);
    this.#strategy = this.#group?.strategy ?? "uniform";
    this.#recompute = new Debounce({ clock: parts.clock, quietMs: JOIN_QUIET_MS, waitMsMax: JOIN_WAIT_MS_MAX, due: () => this.#pump() });
    this.#recompute.now();
    this.#keepSessions();
    this.#pump();
  }

  get group(): GroupInfo | undefined {
    return this.#group;
  }

  /** Who shall own what; undefined while it is not known. */
  get target(): Target | undefined {
    return this.#target;
  }

  get isSettled(): boolean {
    const { size = 0 } = this.#group?.owners ?? {};
    if (this.#target === undefined || this.#recompute.isPending || this.#entering.size > 0 || this.#leaving.size > 0) return false;
    if (size !== this.#target.size) return false;
    for (const [id, { memberId }] of this.#group?.owners ?? []) if (this.#target.get(id) !== memberId) return false;
    return true;
  }

  session(memberId: string): MemberSession | undefined {
    return this.#sessions.get(memberId);
  }

  /** @throws QuireError INCONSISTENT_GROUP, MEMBER_FENCED; what becomes of it else, the stream is told */
  enter(member: GroupMemberInfo, strategy: AssignmentStrategy | undefined, stream: MemberStream, holding: readonly ReplicaSetId[]): void {
    const isBegun = (this.#group?.members.size ?? 0) > 0 || this.#entering.size > 0;
    if (strategy !== undefined && isBegun && strategy !== this.#strategy) throw inconsistentStrategy(this.name, strategy, this.#strategy);
    const successor = successorOf(this.#group, member);
    // One that was replaced while it was away does not know it yet. Whoever begins an instance anew holds nothing.
    if (successor !== undefined && holding.length > 0) throw fenced(this.name, member.memberId, successor);
    if (strategy !== undefined) this.#strategy = strategy;
    this.#entering.get(member.memberId)?.stream.end(replaced(member.memberId));
    this.#entering.set(member.memberId, { member, stream, holding });
    this.#heardAtDoor(member.memberId);
    this.#admitKnown();
    this.#pump();
  }

  /** Who has to wait, because the group cannot be changed at the moment, is not silent. */
  #heardAtDoor(memberId: string): void {
    const session = this.#sessions.get(memberId);
    if (session === undefined || session.hasLeft || this.#leavingNow.has(memberId)) return;
    session.heardMs = this.#parts.clock.monotonicMs();
    if (this.#leaving.delete(memberId)) this.#recompute.now();
  }

  heard(memberId: string, stream: MemberStream): void {
    const session = this.#sessions.get(memberId);
    if (session?.stream === stream) session.heardMs = this.#parts.clock.monotonicMs();
  }

  /** What a member holds, knowing the assignment of `version`. */
  holds(memberId: string, stream: MemberStream, version: number, holding: ReadonlySet<ReplicaSetId>): void {
    const session = this.#sessions.get(memberId);
    if (session?.stream !== stream) return;
    session.holds(version, holding);
    this.#pump();
  }

  leave(memberId: string, stream: MemberStream): void {
    const session = this.#sessions.get(memberId);
    if (this.#entering.get(memberId)?.stream === stream) {
      this.#entering.delete(memberId);
      stream.end();
    } else if (session?.stream === stream) session.hasLeft = true;
    else return;
    this.#leaves(memberId);
  }

  /** The stream is gone, which is no leave. */
  lost(memberId: string, stream: MemberStream): void {
    if (this.#entering.get(memberId)?.stream === stream) this.#entering.delete(memberId);
    const session = this.#sessions.get(memberId);
    if (session?.stream === stream) session.detach();
    this.#pump();
  }

  /** Members that were silent for too long leave; returns when the next one may be, monotonic. `lateMs`: so long this broker itself heard nobody. */
  expire(nowMs: number, lateMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [memberId, session] of this.#sessions) {
      if (session.stream !== undefined) session.heardMs += lateMs;
      if (session.dueMs > nowMs) nextMs = Math.min(nextMs, session.dueMs);
      else if (!this.#leaving.has(memberId)) {
        this.#parts.logger.info({ group: this.name, memberId, sessionTimeoutMs: session.timeoutMs }, "a member was silent for too long");
        this.#leaves(memberId);
      }
    }
    return nextMs;
  }

  /** The metadata says something new of the group. */
  viewChanged(): void {
    const group = this.#parts.groups.group(this.name);
    // What this broker has changed itself comes again by the metadata, later.
    if (this.#running || this.#closed || !isNewer(group, this.#group, this.#parts.groups.newestGeneration)) return;
    // Streams that end in there call back: the next step waits until all is as the metadata says.
    this.#running = true;
    this.#adopt(group);
    this.#running = false;
    this.#pump();
  }

  /** Topics came, grew or went that members want, or may want. */
  topicsChanged(): void {
    this.#recompute.now();
    this.#pump();
  }

  /** Hands the group over and ends its streams; resolves when that is in the metadata, or did not work out. */
  async handOver(successor: NodeId | undefined): Promise<void> {
    this.#isEnding = true;
    this.#wake?.();
    const { admin, clock } = this.#parts;
    while (this.#running) await new Promise<void>((resolve) => clock.after(5, resolve));
    if (this.#closed) return;
    this.#closed = true;
    const group = this.#group;
    try {
      if (group !== undefined && group.members.size > 0 && successor !== undefined) {
        const { version, strategy } = group;
        await admin.changeGroup({ group: this.name, version, coordinator: successor, strategy, nowMs: clock.wallMs() }, group);
      }
    } finally {
      this.end(successor);
    }
  }

  /** Another broker coordinates the group: members go there. */
  end(coordinator: NodeId | undefined): void {
    this.#closed = true;
    this.#recompute.cancel();
    this.#wake?.();
    const error = notCoordinator(this.#parts.view, this.name, coordinator);
    for (const { stream } of this.#entering.values()) stream.end(error);
    for (const { stream } of this.#sessions.values()) stream?.end(error);
    this.#entering.clear();
    this.#sessions.clear();
    this.#parts.ended(this);
  }

  #leaves(memberId: string): void {
    this.#leaving.add(memberId);
    this.#recompute.now();
    this.#pump();
  }

  #pump(): void {
    if (this.#running || this.#closed) return;
    this.#running = true;
    this.#run().catch((error: unknown) => {
      // Nothing in there throws but our own mistakes, which shall not go unseen.
      this.#parts.clock.soon(() => {
        throw error;
      });
    });
  }

  async #run(): Promise<void> {
    while (!this.#closed && !this.#isEnding) {
      if (this.#recompute.isDue) await this.#computeTarget();
      const change = this.#plan();
      if (change !== undefined) await this.#change(change);
      else if (!this.#recompute.isDue) break;
    }
    this.#running = false;
    for (const memberId of this.#leaving) if (this.#group?.members.has(memberId) !== true) this.#leaving.delete(memberId);
    this.viewChanged();
    this.#endIfUseless();
  }

  #endIfUseless(): void {
    if (this.#running || this.#closed || this.#isEnding || this.#entering.size > 0 || (this.#group?.members.size ?? 0) > 0) return;
    this.#closed = true;
    this.#recompute.cancel();
    this.#parts.ended(this);
  }

  /** For those who stay: who leaves is no longer counted. */
  async #computeTarget(): Promise<void> {
    const { clock, view } = this.#parts;
    this.#recompute.taken();
    const group = this.#group;
    const members = [...(group?.members.values() ?? [])].filter(({ memberId }) => !this.#leaving.has(memberId));
    const stays = new Set(members.map(({ memberId }) => memberId));
    const former = this.#target;
    // What is on its way to somebody counts as theirs: else it would be sent elsewhere halfway.
    const owner = (id: ReplicaSetId): string | undefined => {
      const next = former?.get(id);
      return next !== undefined && stays.has(next) ? next : group?.owners.get(id)?.memberId;
    };
    const input = await inSlices(clock, assignmentInput(members, view.topics(), owner));
    this.#target = await inSlices(clock, assign(this.#strategy, input));
    this.#tellAll();
  }

  #plan(): ReturnType<typeof planChange> {
    const { view, clock } = this.#parts;
    return planChange({
      name: this.name,
      group: this.#group,
      coordinator: view.self,
      strategy: this.#strategy,
      nowMs: clock.wallMs(),
      leaving: this.#leaving,
      entering: [...this.#entering.values()].map(({ member }) => member),
      target: this.#target,
      mayHold: (memberId, id) => this.#sessions.get(memberId)?.mayHold(id) ?? true,
      topicOf: (id) => view.partitionOf(id)?.topic.name,
    });
  }

  async #change(change: NonNullable<ReturnType<typeof planChange>>): Promise<void> {
    const before = this.#group;
    this.#leavingNow = new Set(change.left);
    let group: GroupInfo;
    try {
      group = await this.#parts.admin.changeGroup(change, before);
    } catch (thrown) {
      this.#leavingNow = new Set();
      return this.#refused(toQuireError(thrown), change.entered ?? []);
    }
    this.#leavingNow = new Set();
    if (this.#closed) return;
    for (const memberId of change.left ?? []) this.#leaving.delete(memberId);
    this.#retryMs = RETRY_MS_MIN;
    this.#adopt(group);
  }

  /** Whatever the reason: look at what the metadata says by now, and begin from there. A version is compared, so what may have been done is not done twice. */
  async #refused(error: QuireError, entered: readonly GroupMemberInfo[]): Promise<void> {
    if (this.#closed) return;
    const isHopeless = error.retry === "never" || error.reason === "QUOTA_EXCEEDED";
    if (isHopeless) {
      for (const { memberId } of entered) {
        this.#entering.get(memberId)?.stream.end(error);
        this.#entering.delete(memberId);
      }
    }
    if (error.reason !== "CONFLICT") this.#parts.logger.warn({ group: this.name, why: error.message }, "a change of a consumer group was refused");
    const { groups, clock } = this.#parts;
    const group = groups.group(this.name);
    if (error.reason !== "CONFLICT" || (group?.version ?? 0) <= (this.#group?.version ?? 0)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        clock.after(this.#retryMs, resolve);
      });
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
    }
    if (this.#closed) return;
    const now = groups.group(this.name);
    if (isNewer(now, this.#group, groups.newestGeneration)) this.#adopt(now);
    this.#recompute.now();
  }

  #adopt(group: GroupInfo | undefined): void {
    const before = this.#group;
    this.#group = group;
    if (group !== undefined && isOthers(group, before, this.#parts.view)) return this.end(group.coordinator);
    if (group !== undefined && group.members.size > 0) this.#strategy = group.strategy;
    for (const [memberId, session] of this.#sessions) {
      if (group?.members.has(memberId) === true) continue;
      session.stream?.end(session.hasLeft ? undefined : fenced(this.name, memberId, successorOf(group, before?.members.get(memberId))));
      this.#sessions.delete(memberId);
    }
    const joined = [...(group?.members.values() ?? [])].some((member) => before?.members.get(member.memberId) !== member);
    const left = [...(before?.members.keys() ?? [])].some((memberId) => group?.members.has(memberId) !== true);
    const lost = [...(before?.owners.keys() ?? [])].some((id) => group?.owners.has(id) !== true);
    if (left || lost) this.#recompute.now();
    else if (joined) this.#recompute.soon();
    this.#keepSessions();
    this.#admitKnown();
    this.#tellAll();
  }

  /** Members that are not here (yet) have their session timeout to come. */
  #keepSessions(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const { memberId, sessionTimeoutMs } of this.#group?.members.values() ?? []) {
      const session = this.#sessions.get(memberId);
      if (session?.timeoutMs === sessionTimeoutMs) continue;
      const next = new MemberSession(sessionTimeoutMs, nowMs);
      session?.stream?.end(replaced(memberId));
      this.#sessions.set(memberId, next);
      this.#parts.due(next.dueMs);
    }
  }

  /** Who enters and is a member already, with the same subscription, is in at once. */
  #admitKnown(): void {
    const { view, clock } = this.#parts;
    if (this.#group?.coordinator !== view.self) return;
    for (const [memberId, { member, stream, holding }] of this.#entering) {
      const known = this.#group.members.get(memberId);
      const session = this.#sessions.get(memberId);
      if (known === undefined || session === undefined || this.#leavingNow.has(memberId) || !isSameMember(known, member)) continue;
      this.#entering.delete(memberId);
      if (this.#leaving.delete(memberId)) this.#recompute.now();
      session.stream?.end(replaced(memberId));
      session.attach(stream, holding, clock.monotonicMs());
      this.#parts.due(session.dueMs);
      stream.entered({ sessionTimeoutMs: member.sessionTimeoutMs, strategy: this.#strategy });
      this.#tell(memberId);
    }
  }

  #tellAll(): void {
    for (const memberId of this.#sessions.keys()) this.#tell(memberId);
  }

  #tell(memberId: string): void {
    const { view } = this.#parts;
    if (this.#group?.coordinator !== view.self) return;
    this.#sessions.get(memberId)?.tell(this.#wanted.of(this.#group, this.#target).get(memberId) ?? NOTHING, (id) => {
      const found = view.partitionOf(id);
      return found && { topic: found.topic.name, partition: found.partition.partition };
    });
  }
}

const NOTHING: ReadonlyMap<ReplicaSetId, number> = new Map();
