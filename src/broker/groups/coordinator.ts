import type { ReplicaSetId } from "../../base/ids.js";
import type { Clock, Logger, Timer } from "../../base/ports.js";
import { leaderUnknown, metadataNotRead } from "../../base/refusals.js";
import type { AssignmentStrategy, GroupInfo, GroupMemberInfo, GroupsAdmin, GroupsView } from "../../cluster/group-info.js";
import type { ClusterView, TopicInfo } from "../../cluster/view.js";
import { wants } from "./assignment-input.js";
import { coordinatorOf } from "./coordinator-choice.js";
import { GroupRunner } from "./group-runner.js";
import type { MemberStream } from "./member-session.js";
import { notCoordinator } from "./refusals.js";

export interface CoordinatorOptions {
  readonly view: ClusterView;
  readonly groups: GroupsView;
  /** The controller's verbs for groups, from this broker. */
  readonly admin: GroupsAdmin;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Who wants to be a member. */
export interface Entry {
  readonly group: string;
  readonly member: GroupMemberInfo;
  /** Undefined: as the group has it. */
  readonly strategy: AssignmentStrategy | undefined;
  /** What it holds from an earlier stream. */
  readonly holding: readonly ReplicaSetId[];
}

/** What one stream says of its member. */
export interface Membership {
  heard(): void;
  holds(version: number, holding: ReadonlySet<ReplicaSetId>): void;
  leave(): void;
  /** The stream is gone. */
  lost(): void;
}

/** Timers may be late by so much without anything being wrong; a broker that was held up for longer has not heard members that spoke. */
const LATE_MS = 500;
const SESSIONS_LOOK_MS_MIN = 50;
/** How long a group's coordinator is gone before another broker takes over of its own accord; when a member comes, it does at once. */
const TAKE_OVER_MS = 2_000;
const HAND_OVER_MS_MAX = 2_000;
const AT_A_TIME = 16;
/** A controller that is not seen for so long is not just being elected. */
const CUT_OFF_MS = 5_000;

/** The groups that this broker coordinates: made when a member enters, or when the metadata says that they are its own. */
export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #runners = new Map<string, GroupRunner>();
  readonly #unwatch: readonly (() => void)[];
  /** Groups of which the metadata says something new. */
  readonly #changed = new Set<string>();
  #topics: readonly TopicInfo[] = [];
  #alive = "";
  #timer: Timer | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #takeOver: Timer | undefined;
  #unseen: Timer | undefined;
  #isCutOff = false;
  #closed = false;

  constructor(options: CoordinatorOptions) {
    const { view, groups } = options;
    this.#options = options;
    this.#unwatch = [groups.watchGroups((names) => this.#groupsChanged(names)), view.watch(() => this.#viewChanged())];
    this.#viewChanged();
  }

  /** The group as this broker coordinates it; undefined when it does not, or there is nothing to do for it. */
  runner(name: string): GroupRunner | undefined {
    return this.#runners.get(name);
  }

  /** @throws QuireError NOT_COORDINATOR, NOT_READY, LEADER_UNKNOWN, SHUTTING_DOWN, INCONSISTENT_GROUP, MEMBER_FENCED; all else is told to the stream */
  enter({ group: name, member, strategy, holding }: Entry, stream: MemberStream): Membership {
    const { view, groups } = this.#options;
    if (!view.ready) throw metadataNotRead(view.self);
    if (this.#isCutOff) throw leaderUnknown(view.self, "the cluster's metadata");
    if (this.#closed) throw notCoordinator(view, name, coordinatorOf(view, name, groups.group(name), view.self));
    const coordinator = coordinatorOf(view, name, this.#runners.get(name)?.group ?? groups.group(name));
    if (coordinator !== view.self) throw notCoordinator(view, name, coordinator);
    const runner = this.#run(name);
    runner.enter(member, strategy, stream, holding);
    const { memberId } = member;
    return {
      heard: () => runner.heard(memberId, stream),
      holds: (version, partitions) => runner.holds(memberId, stream, version, partitions),
      leave: () => runner.leave(memberId, stream),
      lost: () => runner.lost(memberId, stream),
    };
  }

  /** Hands all groups over to other brokers, so that their members go on there at once; streams that are left end. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const unwatch of this.#unwatch) unwatch();
    this.#timer?.cancel();
    this.#takeOver?.cancel();
    this.#unseen?.cancel();
    const { view, clock, logger } = this.#options;
    const left = [...this.#runners.values()];
    const workers = Array.from({ length: Math.min(AT_A_TIME, left.length) }, async () => {
      for (let runner = left.pop(); runner !== undefined; runner = left.pop()) {
        const successor = coordinatorOf(view, runner.name, undefined, view.self);
        await runner.handOver(successor).catch((error: unknown) => logger.warn({ group: runner?.name, error }, "a consumer group was not handed over"));
      }
    });
    let timer: Timer | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = clock.after(HAND_OVER_MS_MAX, resolve);
    });
    await Promise.race([Promise.all(workers), enough]);
    timer?.cancel();
    for (const runner of [...this.#runners.values()]) runner.end(undefined);
  }

  #run(name: string): GroupRunner {
    let runner = this.#runners.get(name);
    if (runner === undefined) {
      const { view, groups, admin, clock, logger } = this.#options;
      runner = new GroupRunner(name, {
        view,
        groups,
        admin,
        clock,
        logger,
        ended: (ended) => {
          if (this.#runners.get(ended.name) === ended) this.#runners.delete(ended.name);
          const group = groups.group(ended.name);
          if (group !== undefined && isOrphan(group, view)) this.#takeOverSoon();
        },
        due: (dueMs) => this.#arm(dueMs),
      });
      this.#runners.set(name, runner);
    }
    return runner;
  }

  /** Called while the metadata is applied: looked at afterwards. */
  #groupsChanged(names: readonly string[]): void {
    if (this.#changed.size === 0) this.#options.clock.soon(() => this.#lookAtChanged());
    for (const name of names) this.#changed.add(name);
  }

  #lookAtChanged(): void {
    const names = [...this.#changed];
    this.#changed.clear();
    const { view, groups } = this.#options;
    if (this.#closed || !view.ready || this.#isCutOff) return;
    for (const name of names) {
      const runner = this.#runners.get(name);
      const group = groups.group(name);
      if (runner !== undefined) runner.viewChanged();
      else if (isOwn(group, view)) this.#run(name);
      else if (group !== undefined && isOrphan(group, view)) this.#takeOverSoon();
    }
  }

  #viewChanged(): void {
    const { view, groups } = this.#options;
    if (this.#closed) return;
    this.#lookForController();
    if (!view.ready || this.#isCutOff) return this.#rest();
    this.#topicsChanged();
    const ids = view
      .brokers()
      .map(({ nodeId }) => nodeId)
      .filter((nodeId) => view.isAlive(nodeId));
    const alive = `${ids.join()} of ${view.controller}`;
    if (alive === this.#alive) return;
    const isFirst = this.#alive === "";
    this.#alive = alive;
    // After a start: what this broker coordinated before it went down, and nobody has taken since.
    if (isFirst) for (const group of groups.groups()) if (isOwn(group, view)) this.#run(group.name);
    this.#takeOverSoon();
  }

  /** Who does not hear the controller does not hear who took its groups either, and its members would never know: they are sent to ask others. */
  #lookForController(): void {
    const { view, clock } = this.#options;
    if (view.controller === undefined) {
      this.#unseen ??= clock.after(CUT_OFF_MS, () => {
        this.#isCutOff = true;
        this.#rest();
      });
      return;
    }
    this.#unseen?.cancel();
    this.#unseen = undefined;
    this.#isCutOff = false;
  }

  /**
   * Members go on with what they have, and come again; then they find the group as it was. So when this broker's replica of the metadata is damaged, and read anew
   * from nothing: that a group or a topic is not in it says nothing.
   */
  #rest(): void {
    for (const runner of [...this.#runners.values()]) runner.end(undefined);
    this.#alive = "";
  }

  #takeOverSoon(): void {
    if (this.#closed) return;
    this.#takeOver?.cancel();
    this.#takeOver = this.#options.clock.after(TAKE_OVER_MS, () => this.#takeOverOrphans());
  }

  /**
   * Groups whose coordinator is gone, and whose members may be gone, too: somebody must see that their sessions end. That is the controller, since who does not
   * reach it can coordinate nothing; that any other broker does not see a coordinator may be a matter of these two alone.
   */
  #takeOverOrphans(): void {
    const { view, groups } = this.#options;
    if (this.#closed || view.controller !== view.self) return;
    for (const group of groups.groups()) if (isOrphan(group, view)) this.#run(group.name);
  }

  #topicsChanged(): void {
    const topics = this.#options.view.topics();
    if (topics === this.#topics) return;
    const before = new Map(this.#topics.map((topic) => [topic.name, topic]));
    const changed = topics.filter(({ name, topicId, partitions }) => {
      const former = before.get(name);
      before.delete(name);
      return former?.topicId !== topicId || former.partitions !== partitions;
    });
    const names = [...changed.map(({ name }) => name), ...before.keys()];
    this.#topics = topics;
    if (names.length === 0) return;
    for (const runner of this.#runners.values()) if (isConcerned(runner.group, names)) runner.topicsChanged();
  }

  #arm(dueMs: number): void {
    if (this.#closed || dueMs >= this.#timerDueMs) return;
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#timerDueMs = Math.max(dueMs, clock.monotonicMs() + SESSIONS_LOOK_MS_MIN);
    this.#timer = clock.after(this.#timerDueMs - clock.monotonicMs(), () => this.#lookAtSessions());
  }

  #lookAtSessions(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const lateMs = nowMs - this.#timerDueMs;
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const runner of [...this.#runners.values()]) nextMs = Math.min(nextMs, runner.expire(nowMs, lateMs > LATE_MS ? lateMs : 0));
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
  }
}

/** Members that it has must be watched, wherever they are. */
const isOwn = (group: GroupInfo | undefined, view: ClusterView): boolean => group !== undefined && group.coordinator === view.self && group.members.size > 0;

const isOrphan = (group: GroupInfo, view: ClusterView): boolean => group.members.size > 0 && !view.isAlive(group.coordinator);

function isConcerned(group: GroupInfo | undefined, topics: readonly string[]): boolean {
  const seen = new Set<string>();
  for (const member of group?.members.values() ?? []) {
    const key = `${member.pattern} ${member.topics.join(" ")}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (topics.some((topic) => wants(member, topic))) return true;
  }
  return false;
}
