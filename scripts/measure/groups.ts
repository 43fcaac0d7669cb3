import { setTimeout as sleep } from "node:timers/promises";
import type { LocalCluster } from "../../src/cli/local/local-cluster.js";
import type { Quire } from "../../src/client/index.js";
import { Stubs } from "../../test/support/stubs.js";
import { RawMember } from "../../test/system/raw-member.js";

const SESSION_MS = 3_000;
const LONG_SESSION_MS = 30_000;
const SETTLE_MS_MAX = 60_000;

export interface GroupFigures {
  readonly members: number;
  readonly partitions: number;
  readonly say: (what: string, figure: string) => void;
}

/** How long a large group takes for what groups do, and whether anything moves that need not. Members are as thin as can be: what is measured are the brokers. */
export async function measureGroups(cluster: LocalCluster, quire: Quire, { members: count, partitions, say }: GroupFigures): Promise<void> {
  const { addresses } = cluster;
  const topic = `group-${count}`;
  await quire.topic(topic).create({ partitions, replicas: 3 });
  const shared = new Map(addresses.map((address) => [address, new Stubs(address)]));
  const stubsAt = (address: string): Stubs => shared.get(address) ?? new Stubs(address);
  const join = (id: string, sessionTimeoutMs = LONG_SESSION_MS): RawMember =>
    new RawMember({ addresses, group: `measured-${count}`, id, topics: [topic], sessionTimeoutMs, stubsAt });
  const title = `${count.toLocaleString("en")} members, ${partitions.toLocaleString("en")} partitions`;

  const beganMs = performance.now();
  const members = new Set(Array.from({ length: count }, (_, at) => join(`m${at}`)));
  await settled(members, partitions);
  say(`${title}: all join at once, each has its share`, `${ms(latest(members) - beganMs)}; ${changesOf(members)} changes of what members own`);

  const [joins, joinMoves] = await each(5, async (at) => {
    const before = changesOf(members);
    const startMs = performance.now();
    const late = join(`late${at}`);
    members.add(late);
    await until(() => late.entries > 0);
    const enteredMs = performance.now();
    await settled(members, partitions);
    return [Math.max(latest(members), enteredMs) - startMs, changesOf(members) - before];
  });
  say(`${title}: one more joins, settled`, `${ms(median(joins))}, longest ${ms(Math.max(...joins))}; changes ${joinMoves.join(", ")}`);

  const [leaves, leaveMoves] = await each(5, async (at) => {
    const leaver = [...members].find((member) => member.id === `m${at}`) as RawMember;
    members.delete(leaver);
    const before = changesOf(members);
    const startMs = performance.now();
    await leaver.leave();
    await settled(members, partitions);
    return [latest(members) - startMs, changesOf(members) - before];
  });
  say(
    `${title}: one leaves politely, others have its partitions`,
    `${ms(median(leaves))}, longest ${ms(Math.max(...leaves))}; changes ${leaveMoves.join(", ")}`,
  );

  const [deaths] = await each(3, async (at) => {
    // Somebody makes room, so that the next one has something to lose.
    const leaver = [...members].find((member) => member.id === `m${at + 10}`) as RawMember;
    members.delete(leaver);
    await leaver.leave();
    await settled(members, partitions);
    const short = join(`short${at}`, SESSION_MS);
    members.add(short);
    await until(() => short.entries > 0);
    await settled(members, partitions);
    members.delete(short);
    const startMs = performance.now();
    short.vanish();
    await settled(members, partitions);
    return [latest(members) - startMs, 0];
  });
  say(`${title}: one vanishes (session ${SESSION_MS} ms), others have its partitions`, deaths.map(ms).join(", "));

  const before = changesOf(members);
  const coordinator = [...members][0]?.coordinator ?? 1;
  const killedMs = performance.now();
  cluster.broker(coordinator).signal("SIGKILL");
  await until(() => [...members].every((member) => member.coordinator !== coordinator));
  say(
    `${title}: the coordinator is killed, all have entered elsewhere`,
    `${ms(performance.now() - killedMs)}; ${changesOf(members) - before} changes of what members own`,
  );
  for (const member of members) member.vanish();
  for (const stubs of shared.values()) stubs.close();
  await cluster.broker(coordinator).start();
}

async function each(times: number, run: (at: number) => Promise<readonly [tookMs: number, moves: number]>): Promise<[number[], number[]]> {
  const took: number[] = [];
  const moves: number[] = [];
  for (let at = 0; at < times; at++) {
    const [tookMs, moved] = await run(at);
    took.push(tookMs);
    moves.push(moved);
  }
  return [took, moves];
}

/** Everything is owned once, evenly, and stays so for a moment. */
async function settled(members: ReadonlySet<RawMember>, partitions: number): Promise<void> {
  const isEven = (): boolean => {
    let [total, least, most] = [0, Number.POSITIVE_INFINITY, 0];
    for (const { held } of members) {
      total += held.size;
      least = Math.min(least, held.size);
      most = Math.max(most, held.size);
    }
    return total === partitions && most - least <= 1;
  };
  do {
    await until(isEven);
    await sleep(400);
  } while (!isEven());
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + SETTLE_MS_MAX;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not reached within ${SETTLE_MS_MAX} ms: ${condition.toString()}`);
    await sleep(20);
  }
}

const latest = (members: Iterable<RawMember>): number => Math.max(...[...members].map(({ changedMs }) => changedMs));
const changesOf = (members: Iterable<RawMember>): number => [...members].reduce((sum, { changes }) => sum + changes, 0);
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const ms = (value: number): string => `${value.toFixed(0)} ms`;
