import type { ReplicaSetId } from "../../base/ids.js";
import type { AssignmentInput, Sliced, Target } from "./assignment.js";
import { type ClassLoad, Loads, type MemberLoad } from "./member-loads.js";

export interface EvenlyOptions {
  /** Who has more than this times its share gives to who has less: 0 evens out as far as it goes. */
  readonly tolerance: number;
}

/** Steps between two yields: below a millisecond. */
const STEPS_PER_SLICE = 2_000;
/** Giving goes on from the fullest down, and again as long as that changed anything; a bound, so that it ends in any case. */
const ROUNDS_MAX = 50;

/**
 * As even as can be by moving single partitions, and as few moves as can be: everybody keeps what it has and wants, free partitions go to who has the least, and
 * then who has the most gives to who has the least, until they differ by no more than one. With equal subscriptions that takes the fewest moves there are.
 */
export function* assignEvenly({ classes, topics, owner }: AssignmentInput, { tolerance }: EvenlyOptions): Sliced<Target> {
  const loads = new Loads(classes, topics);
  const work = { steps: 0 };
  const free = keep(loads, topics, owner);
  yield;
  // What few want goes first, while those few have little.
  free.sort((a, b) => a.takers - b.takers || a.topic - b.topic);
  for (const { topic, id } of free) {
    const taker = leastLoaded(loads.classesOf(topic), work);
    if (taker !== undefined) loads.give(taker, topic, id);
    if (work.steps > STEPS_PER_SLICE) {
      work.steps = 0;
      yield;
    }
  }
  for (let round = 0, moved = true; moved && round < ROUNDS_MAX; round++) {
    moved = false;
    loads.beginRound();
    const stuck = new Set<MemberLoad>();
    for (let giver = loads.fullest(stuck); giver !== undefined; giver = loads.fullest(stuck)) {
      const move = giver.load > giver.of.share * tolerance ? moveFrom(loads, giver, work) : undefined;
      if (move === undefined) stuck.add(giver);
      else {
        loads.move(giver, move.taker, move.topic);
        moved = true;
      }
      work.steps += 1;
      if (work.steps > STEPS_PER_SLICE) {
        work.steps = 0;
        yield;
      }
    }
  }
  return loads.target();
}

interface Free {
  readonly topic: number;
  readonly id: ReplicaSetId;
  readonly takers: number;
}

/** Everybody keeps what it has and wants; returns what is left. */
function keep(loads: Loads, topics: AssignmentInput["topics"], owner: AssignmentInput["owner"]): Free[] {
  const free: Free[] = [];
  topics.forEach((partitions, topic) => {
    const of = loads.classesOf(topic);
    let takers = 0;
    for (const { size } of of) takers += size;
    if (takers === 0) return;
    for (const id of partitions) {
      const ownerId = owner(id);
      const member = ownerId === undefined ? undefined : loads.member(ownerId);
      if (member === undefined || !of.has(member.of)) free.push({ topic, id, takers });
      else loads.give(member, topic, id);
    }
  });
  return free;
}

/** To whom the giver gives what, so that the two are more even than before. */
function moveFrom(loads: Loads, giver: MemberLoad, work: { steps: number }): { taker: MemberLoad; topic: number } | undefined {
  let best: { taker: MemberLoad; topic: number } | undefined;
  for (const topic of giver.byTopic.keys()) {
    const taker = leastLoaded(loads.classesOf(topic), work);
    if (taker !== undefined && taker.load <= giver.load - 2 && (best === undefined || taker.load < best.taker.load)) best = { taker, topic };
    if (best?.taker.load === loads.least) break;
  }
  return best;
}

function leastLoaded(classes: Iterable<ClassLoad>, work: { steps: number }): MemberLoad | undefined {
  let least: MemberLoad | undefined;
  for (const of of classes) {
    work.steps += 1;
    const member = of.least();
    if (member !== undefined && (least === undefined || member.load < least.load)) least = member;
  }
  return least;
}
