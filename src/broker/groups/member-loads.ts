import { assert } from "../../base/assert.js";
import type { ReplicaSetId } from "../../base/ids.js";
import type { MemberClass, Target } from "./assignment.js";

/** A member while partitions are shared out. */
export interface MemberLoad {
  readonly id: string;
  readonly of: ClassLoad;
  load: number;
  readonly byTopic: Map<number, ReplicaSetId[]>;
}

/** Members by how much they have; the least and the most are found at once, whatever came and went. */
class Levels {
  readonly #levels: Set<MemberLoad>[] = [];
  #least = 0;

  add(member: MemberLoad): void {
    let level = this.#levels[member.load];
    while (level === undefined) {
      this.#levels.push(new Set());
      level = this.#levels[member.load];
    }
    level.add(member);
    this.#least = Math.min(this.#least, member.load);
  }

  delete(member: MemberLoad): void {
    this.#levels[member.load]?.delete(member);
    while ((this.#levels.at(-1)?.size ?? 1) === 0) this.#levels.pop();
  }

  least(): MemberLoad | undefined {
    while (this.#least < this.#levels.length && this.#levels[this.#least]?.size === 0) this.#least += 1;
    for (const member of this.#levels[this.#least] ?? []) return member;
    return undefined;
  }

  most(): MemberLoad | undefined {
    for (const member of this.#levels.at(-1) ?? []) return member;
    return undefined;
  }
}

/** Members with equal subscriptions. */
export class ClassLoad {
  readonly size: number;
  /** Partitions that each of them would have if every topic were divided evenly among its subscribers. */
  share = 0;
  readonly levels = new Levels();

  constructor(size: number) {
    this.size = size;
  }

  least(): MemberLoad | undefined {
    return this.levels.least();
  }
}

/** Who has what, while partitions are shared out. */
export class Loads {
  readonly #members = new Map<string, MemberLoad>();
  readonly #classesOf: Set<ClassLoad>[];
  readonly #all = new Levels();
  /** Members that a round has not looked at in vain. */
  #active = new Levels();

  constructor(classes: readonly MemberClass[], topics: readonly (readonly ReplicaSetId[])[]) {
    this.#classesOf = topics.map(() => new Set<ClassLoad>());
    const loads = classes.map(({ members, topics: places }) => {
      const of = new ClassLoad(members.length);
      for (const place of places) this.#classesOf[place]?.add(of);
      for (const id of members) {
        const member: MemberLoad = { id, of, load: 0, byTopic: new Map() };
        this.#members.set(id, member);
        of.levels.add(member);
        this.#all.add(member);
        this.#active.add(member);
      }
      return of;
    });
    const takers = this.#classesOf.map((of) => [...of].reduce((sum, { size }) => sum + size, 0));
    classes.forEach(({ topics: places }, at) => {
      const of = loads[at];
      for (const place of places) if (of !== undefined) of.share += (topics[place]?.length ?? 0) / Math.max(1, takers[place] ?? 1);
    });
  }

  member(id: string): MemberLoad | undefined {
    return this.#members.get(id);
  }

  classesOf(topic: number): ReadonlySet<ClassLoad> {
    return this.#classesOf[topic] ?? new Set();
  }

  /** The smallest load of all. */
  get least(): number {
    return this.#all.least()?.load ?? 0;
  }

  /** Everybody is looked at again. */
  beginRound(): void {
    this.#active = new Levels();
    for (const member of this.#members.values()) this.#active.add(member);
  }

  /** Who has the most, of those that are not stuck in this round. */
  fullest(stuck: ReadonlySet<MemberLoad>): MemberLoad | undefined {
    for (let member = this.#active.most(); member !== undefined; member = this.#active.most()) {
      if (!stuck.has(member)) return member;
      this.#active.delete(member);
    }
    return undefined;
  }

  give(member: MemberLoad, topic: number, id: ReplicaSetId): void {
    const list = member.byTopic.get(topic);
    if (list === undefined) member.byTopic.set(topic, [id]);
    else list.push(id);
    this.#setLoad(member, member.load + 1);
  }

  /** Any of its partitions of this topic, the last for instance. */
  move(giver: MemberLoad, taker: MemberLoad, topic: number): void {
    const list = giver.byTopic.get(topic);
    const id = list?.pop();
    assert(id !== undefined, "who gives has something to give");
    if (list?.length === 0) giver.byTopic.delete(topic);
    this.#setLoad(giver, giver.load - 1);
    this.give(taker, topic, id);
  }

  target(): Target {
    const target: Target = new Map();
    for (const { id, byTopic } of this.#members.values()) for (const list of byTopic.values()) for (const set of list) target.set(set, id);
    return target;
  }

  #setLoad(member: MemberLoad, load: number): void {
    for (const levels of [this.#all, this.#active, member.of.levels]) levels.delete(member);
    member.load = load;
    for (const levels of [this.#all, this.#active, member.of.levels]) levels.add(member);
  }
}
