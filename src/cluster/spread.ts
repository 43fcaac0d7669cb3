/**
 * Even spreading: a greedy choice, then repaired along chains of single moves until no broker has two more than another that
 * it could give to, directly or through others. For leaders this is the optimal semi-matching of Harvey, Ladner, Lovász and
 * Tamir ("Semi-matchings for bipartite graphs and load balancing", 2003).
 */
import type { NodeId } from "../base/ids.js";

/** One broker while a topic is being placed; counts of this topic, and of all others. */
export interface Load {
  readonly nodeId: NodeId;
  readonly rack: { brokers: number; replicas: number };
  replicas: number;
  leaders: number;
  readonly replicasElsewhere: number;
  readonly leadersElsewhere: number;
}

/** Brokers of each partition. */
export function spreadReplicas(loads: readonly Load[], partitions: number, replicas: number): Load[][] {
  const rows: Load[][] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const row: Load[] = [];
    for (let replica = 0; replica < replicas; replica++) {
      const chosen = leastLoaded(loads, row);
      row.push(chosen);
      chosen.replicas += 1;
      chosen.rack.replicas += 1;
    }
    rows.push(row);
  }
  levelReplicas(loads, rows);
  return rows;
}

/** Puts the preferred leader of each partition first. */
export function spreadLeaders(loads: readonly Load[], rows: Load[][]): void {
  for (const row of rows) {
    const leader = row.reduce((best, load) => (compareLeaders(load, best) < 0 ? load : best));
    putFirst(row, leader);
    leader.leaders += 1;
  }
  const movable = (from: Load, to: Load): Load[] | undefined => rows.find((row) => row[0] === from && row.includes(to));
  level(
    loads,
    (load) => load.leaders,
    movable,
    (row, from, to) => {
      putFirst(row, to);
      from.leaders -= 1;
      to.leaders += 1;
    },
  );
}

function leastLoaded(loads: readonly Load[], row: readonly Load[]): Load {
  let best: Load | undefined;
  let bestShared = 0;
  for (const load of loads) {
    if (row.includes(load)) continue;
    const shared = row.filter((other) => other.rack === load.rack).length;
    if (best === undefined || shared < bestShared || (shared === bestShared && compareReplicas(load, best) < 0)) {
      best = load;
      bestShared = shared;
    }
  }
  if (best === undefined) throw new RangeError("more replicas than brokers");
  return best;
}

const compareReplicas = (a: Load, b: Load): number =>
  a.replicas - b.replicas || a.rack.replicas / a.rack.brokers - b.rack.replicas / b.rack.brokers || a.replicasElsewhere - b.replicasElsewhere;
const compareLeaders = (a: Load, b: Load): number => a.leaders - b.leaders || a.leadersElsewhere - b.leadersElsewhere;

function levelReplicas(loads: readonly Load[], rows: Load[][]): void {
  const shares = (row: readonly Load[], rack: Load["rack"]): number => row.filter((load) => load.rack === rack).length;
  const movable = (from: Load, to: Load): Load[] | undefined =>
    rows.find((row) => row.includes(from) && !row.includes(to) && (from.rack === to.rack || shares(row, to.rack) < shares(row, from.rack)));
  level(
    loads,
    (load) => load.replicas,
    movable,
    (row, from, to) => {
      row[row.indexOf(from)] = to;
      from.replicas -= 1;
      to.replicas += 1;
      from.rack.replicas -= 1;
      to.rack.replicas += 1;
    },
  );
}

/**
 * Moves one unit along a shortest chain from a broker with the most to one with at least two less, until there is no such
 * chain. A move within a chain may forbid a later one, so each is looked up again; then the search simply starts over.
 */
function level(
  loads: readonly Load[],
  count: (load: Load) => number,
  movable: (from: Load, to: Load) => Load[] | undefined,
  move: (row: Load[], from: Load, to: Load) => void,
): void {
  for (let round = 0; round < loads.length * loads.length; round++) {
    const chain = findChain(loads, count, movable);
    if (chain === undefined) return;
    for (let at = chain.length - 1; at > 0; at--) {
      const [from, to] = [chain[at - 1], chain[at]];
      const row = from && to && movable(from, to);
      if (from === undefined || to === undefined || row === undefined) break;
      move(row, from, to);
    }
  }
}

function findChain(loads: readonly Load[], count: (load: Load) => number, movable: (from: Load, to: Load) => unknown): Load[] | undefined {
  const lowest = Math.min(...loads.map(count));
  const fullest = [...loads].sort((a, b) => count(b) - count(a)).filter((load) => count(load) > lowest + 1);
  for (const start of fullest) {
    const cameFrom = new Map<Load, Load | undefined>([[start, undefined]]);
    for (const at of cameFrom.keys()) {
      if (count(at) + 1 < count(start)) return chainTo(at, cameFrom);
      for (const next of loads) if (!cameFrom.has(next) && movable(at, next) !== undefined) cameFrom.set(next, at);
    }
  }
  return undefined;
}

function chainTo(end: Load, cameFrom: ReadonlyMap<Load, Load | undefined>): Load[] {
  const chain: Load[] = [];
  for (let at: Load | undefined = end; at !== undefined; at = cameFrom.get(at)) chain.unshift(at);
  return chain;
}

function putFirst(row: Load[], load: Load): void {
  const at = row.indexOf(load);
  row.splice(at, 1);
  row.unshift(load);
}
