import { EntryKind } from "../../../src/base/entry-kind.js";
import type { ReplicaSetId } from "../../../src/base/ids.js";
import { decodeProgressEntry } from "../../../src/base/progress-entry.js";
import { decodeTrimEntry } from "../../../src/base/trim-entry.js";
import type { PartitionState } from "../../../src/broker/partition-state.js";
import { decodeCommand } from "../../../src/cluster/commands.js";
import type { GroupChange, GroupInfo } from "../../../src/cluster/group-info.js";
import type { MetadataMachine } from "../../../src/cluster/metadata-machine.js";
import { AppliedProgress, type ProgressProblem, type TakenLine } from "../checkers/applied-progress.js";
import { GroupOwnership } from "../checkers/group-ownership.js";
import { GroupWork, type WorkRules } from "../checkers/group-work.js";
import { Recent, Violation } from "../checkers/violation.js";
import { GroupBeliefs } from "./group-beliefs.js";

/** What is known of one partition, by all of its replicas. */
interface Watched {
  readonly progress: AppliedProgress;
  /** By group. */
  readonly work: Map<string, GroupWork>;
  trimmedBefore: number;
}

/** Up to where a member had processed a partition in a generation. */
export interface Past {
  readonly group: string;
  readonly memberId: string;
  readonly generation: number;
  readonly topic: string;
  readonly partition: number;
  readonly processed: number;
}

const PAST_MAX = 100;
const RECENT_MAX = 40;

/** Tells the checkers of consumer groups what replicas apply, what members believe, and what their handlers do. */
export class GroupsWatch {
  readonly beliefs = new GroupBeliefs((what) => this.note(what));
  readonly ownership: GroupOwnership;
  /** Commits that were applied, and records that were handled. */
  commits = 0;
  handled = 0;
  readonly #partitions = new Map<ReplicaSetId, Watched>();
  readonly #rules = new Map<string, WorkRules>();
  /** By `topic/partition`; names outlive topics, and none is used again in a run. */
  readonly #ids = new Map<string, ReplicaSetId>();
  readonly #names = new Map<ReplicaSetId, string>();
  readonly #past: Past[] = [];
  #partitionsNow: readonly (readonly [string, ReplicaSetId])[] = [];
  #namesIndex = 0;
  readonly #machines = new WeakSet<MetadataMachine>();
  readonly #recent = new Recent<{ readonly at: number; readonly what: string }>(RECENT_MAX);
  readonly #now: () => number;
  readonly #broken: (violation: Violation) => void;

  /** `now`: simulated milliseconds, for reports. */
  constructor(now: () => number, broken: (violation: Violation) => void) {
    this.#now = now;
    this.#broken = broken;
    this.ownership = new GroupOwnership((_group, memberId, id, generation) => this.beliefs.generationOf(memberId, this.nameOf(id)) === generation);
  }

  /** All partitions that there are, as the newest metadata has them. */
  partitions(): readonly (readonly [partition: string, id: ReplicaSetId])[] {
    return this.#partitionsNow;
  }

  /** What members once had in their hands, for what comes too late. */
  pastOf(group: string): readonly Past[] {
    return this.#past.filter((past) => past.group === group);
  }

  /** A member has processed records of a partition up to an offset. */
  processed(past: Past): void {
    this.handled += 1;
    const same = this.#past.findIndex(
      ({ memberId, generation, topic, partition }) =>
        memberId === past.memberId && generation === past.generation && topic === past.topic && partition === past.partition,
    );
    if (same >= 0) this.#past[same] = past;
    else this.#past.push(past);
    if (this.#past.length > PAST_MAX) this.#past.shift();
  }

  plan(rules: WorkRules): void {
    this.#rules.set(rules.group, rules);
  }

  nameOf(id: ReplicaSetId): string {
    return this.#names.get(id) ?? `replica set ${id}`;
  }

  idOf(partition: string): ReplicaSetId | undefined {
    return this.#ids.get(partition);
  }

  progressOf(id: ReplicaSetId): AppliedProgress {
    return this.#of(id).progress;
  }

  trimmedBefore(id: ReplicaSetId): number {
    return this.#of(id).trimmedBefore;
  }

  workOf(group: string, id: ReplicaSetId): GroupWork | undefined {
    const rules = this.#rules.get(group);
    if (rules === undefined) return undefined;
    const watched = this.#of(id);
    let work = watched.work.get(group);
    if (work === undefined) {
      work = new GroupWork(rules, watched.progress, () => watched.trimmedBefore);
      watched.work.set(group, work);
    }
    return work;
  }

  /** What a report may show. */
  note(what: string): void {
    this.#recent.add({ at: this.#now(), what });
  }

  tell(subject: string, problem: ProgressProblem | undefined): void {
    if (problem === undefined) return;
    this.#broken(new Violation({ ...problem, subject, evidence: this.recent() }));
  }

  /** What happened last, for reports. */
  recent(): string[] {
    return this.#recent.list().map(({ at, what }) => `${at.toFixed(1)} ${what}`);
  }

  /** A broker has one machine for all replicas of the metadata that it opens. */
  watchMetadata(machine: MetadataMachine): void {
    if (this.#machines.has(machine)) return;
    this.#machines.add(machine);
    const [apply, restore] = [machine.apply.bind(machine), machine.restore.bind(machine)];
    let isRestored = false;
    const groups = (): ReadonlyMap<string, GroupInfo> => machine.state.groups;
    machine.restore = (bytes) => {
      restore(bytes);
      isRestored = true;
    };
    machine.apply = (frame) => {
      const subject = `metadata at ${frame.index}`;
      if (isRestored) this.tell(subject, this.ownership.restored(frame.index - 1, groups()));
      isRestored = false;
      apply(frame);
      const isFirst = frame.index > this.#namesIndex;
      const command = frame.kind === EntryKind.command ? decodeCommand(frame.body) : undefined;
      this.#learnNames(frame.index, machine);
      if (command?.kind === "change-group" && isFirst) this.note(`${subject}: ${describe(command.change)}`);
      this.tell(
        subject,
        this.ownership.applied(frame.index, groups(), (id) => this.#isThere(machine, id), command),
      );
    };
  }

  watch(id: ReplicaSetId, machine: PartitionState): void {
    const watched = this.#of(id);
    const { progress } = watched;
    const [apply, restore] = [machine.apply.bind(machine), machine.restore.bind(machine)];
    let isRestored = false;
    machine.restore = (state) => {
      restore(state);
      isRestored = true;
    };
    const table = {
      get: (group: string) => machine.progress.get(group),
      get size() {
        return machine.progress.size;
      },
    };
    machine.apply = (frame) => {
      const { index, kind } = frame;
      const subject = `${this.nameOf(id)} at ${index}`;
      if (isRestored) this.tell(subject, progress.problemOfTable(index - 1, table));
      isRestored = false;
      if (kind === EntryKind.trim) watched.trimmedBefore = Math.max(watched.trimmedBefore, Math.min(decodeTrimEntry(frame.body), progress.nextOffset));
      if (kind !== EntryKind.progress) {
        apply(frame);
        progress.applied(index, machine.nextOffset);
        return;
      }
      const entry = decodeProgressEntry(frame.body);
      const names = new Set(entry.lines.map(({ group }) => group));
      const before = new Map([...names].map((group) => [group, machine.progress.get(group)]));
      for (const taken of progress.applied(index, machine.nextOffset, entry)) this.#taken(id, subject, taken);
      apply(frame);
      for (const group of names) this.tell(subject, progress.problemOf(index, group, machine.progress.get(group), before.get(group), entry.lines));
    };
  }

  #taken(id: ReplicaSetId, subject: string, taken: TakenLine): void {
    const { line, before, after } = taken;
    if (after === before) return;
    if (line.kind === "commit") {
      this.commits += 1;
      this.tell(subject, this.workOf(line.group, id)?.committed(taken));
    }
    if (line.kind === "forget") this.tell(subject, this.ownership.problemOfForgotten(line.group, before?.generation ?? 0));
    if (line.kind !== "reset") return;
    const members = this.ownership.membersAt(line.group, line.generation);
    if (members === 0) return;
    const expected = `group ${line.group} without members in generation ${line.generation}`;
    this.tell(subject, {
      invariant: "offsets are moved only while a group has no members",
      expected,
      seen: `${members ?? "it never had that generation, and"} members`,
    });
  }

  #isThere(machine: MetadataMachine, id: ReplicaSetId): boolean {
    for (const { assignments } of machine.state.topics.values()) if (assignments.some(({ replicaSetId }) => replicaSetId === id)) return true;
    return false;
  }

  #learnNames(index: number, machine: MetadataMachine): void {
    if (index <= this.#namesIndex) return;
    this.#namesIndex = index;
    const now: [string, ReplicaSetId][] = [];
    for (const { name, assignments } of machine.state.topics.values()) {
      for (const { replicaSetId, partition } of assignments) now.push([`${name}/${partition}`, replicaSetId]);
    }
    for (const [name, id] of now) {
      this.#ids.set(name, id);
      this.#names.set(id, name);
    }
    this.#partitionsNow = now;
  }

  #of(id: ReplicaSetId): Watched {
    let watched = this.#partitions.get(id);
    if (watched === undefined) {
      watched = { progress: new AppliedProgress(), work: new Map(), trimmedBefore: 0 };
      this.#partitions.set(id, watched);
    }
    return watched;
  }
}

function describe({ group, version, coordinator, left, released, entered, assigned, newGeneration }: GroupChange): string {
  const entering = entered?.map(({ memberId }) => memberId);
  return `${group} at version ${version} by ${coordinator}: ${JSON.stringify({ left, released, entering, assigned, newGeneration })}`;
}
