/** Consumers and brokers in a loop of blows, under load, and what became of each record. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LocalCluster } from "../../src/cli/local/local-cluster.js";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import { connect, type Quire, type Topic, text } from "../../src/client/index.js";
import { ConsumerProcess, nowMs } from "./consumer.js";
import { type Blow, type Deed, type Judgement, judge, type PlacedRecord } from "./deliveries.js";

const TOPIC = "struck";
const GROUP = "struck";
const PARTITIONS = 6;
const SESSION_MS = 3_000;
/** Longer than the session, so that others take over meanwhile. */
const PAUSE_MS = 5_000;
const PRODUCERS = 2;
const TURN_MS = 10;
const RECORDS_PER_TURN = 5;
const WHOLE_MS = 60_000;
const REST_MS = 120_000;

export interface ConsumerFigures {
  readonly minutes: number;
  readonly say: (what: string, figure: string) => void;
}

/** Sends numbers under a key each, a few every ten milliseconds. */
class Producer {
  readonly records: PlacedRecord[] = [];
  /** When each was acknowledged. */
  readonly atMs = new Map<string, number>();
  refused = 0;
  #isStopped = false;
  readonly #running: Promise<void>;

  constructor(topic: Topic<string>, name: string) {
    this.#running = this.#run(topic, name);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(topic: Topic<string>, name: string): Promise<void> {
    let underWay: Promise<void>[] = [];
    for (let number = 0; !this.#isStopped; ) {
      for (let at = 0; at < RECORDS_PER_TURN; at++) underWay.push(this.#send(topic, `${name}-${number++}`, `key-${number % 97}`));
      await sleep(TURN_MS);
      // Brokers that are away for a while hold the producer back, not its memory.
      if (underWay.length < 1_000) continue;
      await Promise.all(underWay);
      underWay = [];
    }
    await Promise.all(underWay);
  }

  async #send(topic: Topic<string>, value: string, key: string): Promise<void> {
    try {
      const { partition, offset } = await topic.send(value, { key });
      this.records.push({ partition, offset, value });
      this.atMs.set(value, nowMs());
    } catch {
      this.refused += 1;
    }
  }
}

class Loop {
  readonly #cluster: LocalCluster;
  readonly #folder = mkdtempSync(path.join(tmpdir(), "quire-consumers-"));
  readonly #all: ConsumerProcess[] = [];
  readonly #deeds: Deed[] = [];
  readonly blows: Blow[] = [];
  readonly counts = new Map<string, number>();
  /** When what was done, in order. */
  readonly story: { readonly atMs: number; readonly what: string }[] = [];
  readonly ills: string[] = [];
  #members: ConsumerProcess[] = [];
  #begun = 0;

  constructor(cluster: LocalCluster) {
    this.#cluster = cluster;
    for (let at = 0; at < 3; at++) this.#begin();
  }

  /** All that was done until now. */
  deeds(): readonly Deed[] {
    for (const member of this.#all) for (const deed of member.deeds()) this.#deeds.push(deed);
    return this.#deeds;
  }

  /** One blow after the other: never more than one broker away at a time, which is what is promised. */
  async run(endMs: number, progress: () => void): Promise<void> {
    for (let round = 0; nowMs() < endMs; round++) {
      const blow = this.#blowsInTurn[round % this.#blowsInTurn.length];
      await blow?.(1 + (round % this.#cluster.brokers.length));
      await sleep(1_500);
      for (const member of this.#members) if (!member.isAlive && !member.isEnding) this.ills.push(`${member.who} ended by itself`);
      this.#members = this.#members.filter((member) => member.isAlive);
      while (this.#members.length < 3) this.#begin();
      progress();
    }
  }

  async end(): Promise<void> {
    const codes = await Promise.all(this.#members.map((member) => member.end("SIGTERM")));
    if (codes.some((code) => code !== 0)) this.ills.push(`consumers ended with ${codes.join(", ")}`);
    this.deeds();
    for (const member of this.#all.splice(0)) member.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  readonly #blowsInTurn: readonly ((nodeId: number) => Promise<void>)[] = [
    async () => {
      await this.#kill();
      // Until others have what it had, so that the next blow has nothing to do with it.
      await sleep(SESSION_MS);
    },
    (nodeId) => this.#killBroker(nodeId),
    () => this.#pause(),
    (nodeId) => this.#pauseBroker(nodeId),
    () => this.#close(),
    async (nodeId) => {
      const both = Promise.all([this.#kill(), this.#killBroker(nodeId)]);
      this.story.push({ atMs: nowMs(), what: "both killed" });
      await both;
    },
    (nodeId) => this.#restartBroker(nodeId),
  ];

  #begin(): ConsumerProcess {
    const how = this.#begun % 2 === 0 ? "after" : "manual";
    const member = new ConsumerProcess({
      who: `c${this.#begun} (${how})`,
      brokers: this.#cluster.addresses,
      topic: TOPIC,
      group: GROUP,
      how,
      sessionMs: SESSION_MS,
      file: path.join(this.#folder, String(this.#begun)),
    });
    this.#begun += 1;
    this.#members.push(member);
    this.#all.push(member);
    return member;
  }

  #count(what: string, which: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    this.story.push({ atMs: nowMs(), what });
    process.stderr.write(`${nowMs().toFixed(0)} ms: ${what}: ${which}\n`);
  }

  #strike(member: ConsumerProcess, how: string, signal: NodeJS.Signals): void {
    this.#count(how, member.who);
    this.blows.push({ who: member.who, atMs: nowMs(), how });
    member.signal(signal);
  }

  async #kill(): Promise<void> {
    const [member] = this.#members;
    if (member === undefined) return;
    member.isEnding = true;
    this.#strike(member, "consumer killed", "SIGKILL");
    await member.end("SIGKILL");
    this.#begin();
  }

  async #pause(): Promise<void> {
    const [member] = this.#members;
    if (member === undefined) return;
    this.#strike(member, "consumer paused", "SIGSTOP");
    await sleep(PAUSE_MS);
    member.signal("SIGCONT");
  }

  async #close(): Promise<void> {
    const [member] = this.#members;
    if (member === undefined) return;
    this.#count("consumer closed", member.who);
    const code = await member.end("SIGTERM");
    if (code !== 0) this.ills.push(`${member.who} was asked to end, and did with ${code}`);
    this.#begin();
  }

  async #killBroker(nodeId: number): Promise<void> {
    this.#count("broker killed", String(nodeId));
    const broker = this.#cluster.broker(nodeId);
    broker.signal("SIGKILL");
    await broker.gone();
    await sleep(2_000);
    await broker.start();
    await untilWhole(this.#cluster.addresses, this.#cluster.brokers.length, WHOLE_MS);
  }

  async #pauseBroker(nodeId: number): Promise<void> {
    this.#count("broker paused", String(nodeId));
    this.#cluster.broker(nodeId).signal("SIGSTOP");
    await sleep(PAUSE_MS);
    this.#cluster.broker(nodeId).signal("SIGCONT");
    await untilWhole(this.#cluster.addresses, this.#cluster.brokers.length, WHOLE_MS);
  }

  async #restartBroker(nodeId: number): Promise<void> {
    this.#count("broker restarted", String(nodeId));
    await this.#cluster.broker(nodeId).stop();
    await this.#cluster.broker(nodeId).start();
    await untilWhole(this.#cluster.addresses, this.#cluster.brokers.length, WHOLE_MS);
  }
}

/** @returns whether nothing happened that at-least-once forbids */
export async function measureConsumers(cluster: LocalCluster, quire: Quire, { minutes, say }: ConsumerFigures): Promise<boolean> {
  await quire.topic(TOPIC).create({ partitions: PARTITIONS, replicas: 3 });
  const clients = await Promise.all(Array.from({ length: PRODUCERS }, () => connect({ brokers: cluster.addresses, deliveryTimeoutMs: 60_000 })));
  const producers = clients.map((client, at) => new Producer(client.topic<string>(TOPIC, { serializer: text }), `p${at}`));
  const loop = new Loop(cluster);
  const beganMs = nowMs();
  const acknowledged = (): number => producers.reduce((sum, { records }) => sum + records.length, 0);
  const progress = (): void => {
    const seconds = ((nowMs() - beganMs) / 1_000).toFixed(0);
    process.stderr.write(
      `${seconds} s: ${acknowledged()} acknowledged, ${loop.deeds().length} deeds, ${[...loop.counts.values()].reduce((a, b) => a + b, 0)} blows\n`,
    );
  };
  await loop.run(beganMs + minutes * 60_000, progress);
  await Promise.all(producers.map((producer) => producer.stop()));
  await untilProcessed(producers, loop);
  await loop.end();
  await Promise.all(clients.map((client) => client.close()));
  const judgement = judge(
    producers.flatMap(({ records }) => records),
    loop.deeds(),
    loop.blows,
  );
  tell(say, judgement, loop);
  say("consumers: the longest that a record waited for its first consumer, by what was last done", list(longestWaitsMs(producers, loop), " ms after: "));
  for (const wrong of [...judgement.wrong, ...loop.ills]) say("consumers: WRONG", wrong);
  return judgement.wrong.length === 0 && loop.ills.length === 0;
}

async function untilProcessed(producers: readonly Producer[], loop: Loop): Promise<void> {
  const missing = new Set(producers.flatMap(({ records }) => records.map(({ value }) => value)));
  const endMs = nowMs() + REST_MS;
  for (let at = 0; missing.size > 0 && nowMs() < endMs; await sleep(100)) {
    const deeds = loop.deeds();
    for (; at < deeds.length; at++) {
      const deed = deeds[at];
      if (deed?.kind === "processed") missing.delete(deed.value);
    }
  }
}

const list = (counts: ReadonlyMap<string, number>, between = " "): string => [...counts].map(([what, count]) => `${count}${between}${what}`).join(", ");

function tell(say: ConsumerFigures["say"], { acknowledged, processed, again, oldestAgainMs, wrong }: Judgement, loop: Loop): void {
  const duplicates = [...again.values()].reduce((sum, count) => sum + count, 0);
  say("consumers: blows", list(loop.counts));
  say("consumers: records acknowledged; processed, with those that came again", `${acknowledged}; ${processed}; ${wrong.length} faults`);
  say("consumers: processed again, by what had happened", `${duplicates} (${((100 * duplicates) / acknowledged).toFixed(2)} %): ${list(again)}`);
  say("consumers: the oldest of them had been processed before the blow by", `${oldestAgainMs.toFixed(0)} ms`);
}

/** From acknowledgement to the first time that it is processed. */
function longestWaitsMs(producers: readonly Producer[], loop: Loop): Map<string, number> {
  const firstMs = new Map<string, number>();
  for (const deed of loop.deeds())
    if (deed.kind === "processed") firstMs.set(deed.value, Math.min(deed.atMs, firstMs.get(deed.value) ?? Number.POSITIVE_INFINITY));
  const longest = new Map<string, number>();
  for (const { atMs } of producers)
    for (const [value, acknowledgedMs] of atMs) {
      const { what } = loop.story.findLast((event) => event.atMs <= (firstMs.get(value) ?? 0)) ?? { what: "the beginning" };
      longest.set(what, Math.round(Math.max(longest.get(what) ?? 0, (firstMs.get(value) ?? 0) - acknowledgedMs)));
    }
  return longest;
}
