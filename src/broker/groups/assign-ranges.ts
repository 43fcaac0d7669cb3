import type { AssignmentInput, Sliced, Target } from "./assignment.js";

/**
 * Of each topic a run of neighbouring partitions to each member that wants it, the first members one more when they do not divide evenly. The same
 * numbers of two topics meet in one member when both have equally many partitions and subscribers: Kafka's RangeAssignor.
 */
export function* assignRanges({ classes, topics, order }: AssignmentInput): Sliced<Target> {
  const target: Target = new Map();
  const wanted = new Map<number, number[]>();
  classes.forEach(({ topics: places }, at) => {
    for (const place of places) {
      const list = wanted.get(place);
      if (list === undefined) wanted.set(place, [at]);
      else list.push(at);
    }
  });
  const merged = new Map<string, readonly string[]>();
  for (const [place, list] of wanted) {
    const key = list.join(",");
    let members = merged.get(key);
    if (members === undefined) {
      members = list.flatMap((at) => classes[at]?.members ?? []);
      if (list.length > 1)
        members = members
          .map((id) => [order(id), id] as const)
          .sort(byFirst)
          .map(([, id]) => id);
      // Enough for what subscriptions look like; a group in which each topic has subscribers of its own shall not keep them all.
      if (merged.size < 16) merged.set(key, members);
    }
    const partitions = topics[place] ?? [];
    const each = Math.floor(partitions.length / members.length);
    const withOneMore = partitions.length % members.length;
    let next = 0;
    for (let at = 0; at < members.length && next < partitions.length; at++) {
      const end = next + each + (at < withOneMore ? 1 : 0);
      for (; next < end; next++) {
        const id = partitions[next];
        if (id !== undefined) target.set(id, members[at] as string);
      }
    }
    yield;
  }
  return target;
}

const byFirst = ([a]: readonly [string, string], [b]: readonly [string, string]): number => (a < b ? -1 : a > b ? 1 : 0);
