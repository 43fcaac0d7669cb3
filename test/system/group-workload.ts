/** What tests of consumer groups with real brokers share: numbers that are sent all the time, and what became of them. */
import { setTimeout as sleep } from "node:timers/promises";
import { type GroupDescription, type Quire, type ReceivedRecord, type Topic, text } from "../../src/client/index.js";
import { until } from "./test-cluster.js";

export async function createTopic(quire: Quire, name: string, partitions: number): Promise<Topic<string>> {
  const topic = quire.topic<string>(name, { serializer: text });
  await topic.create({ partitions, replicas: 3 });
  return topic;
}

/** Sends numbers to all partitions in turn, until it is stopped. */
export class Numbers {
  readonly sent: number[] = [];
  /** The same, where they are. */
  readonly records: { readonly partition: number; readonly offset: number; readonly value: string }[] = [];
  /** When each was acknowledged. */
  readonly atMs: number[] = [];
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(topic: Topic<string>, partitions: number, pauseMs = 5) {
    this.#running = this.#run(topic, partitions, pauseMs);
  }

  async #run(topic: Topic<string>, partitions: number, pauseMs: number): Promise<void> {
    for (let number = 0; !this.#stopped; number++) {
      const value = String(number);
      const { partition, offset } = await topic.send(value, { partition: number % partitions });
      this.records.push({ partition, offset, value });
      this.sent.push(number);
      this.atMs.push(performance.now());
      await sleep(pauseMs);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}

interface SeenRecord {
  readonly who: string;
  readonly partition: number;
  readonly offset: number;
  readonly value: number;
  readonly atMs: number;
}

/** What consumers were given. */
export class Seen {
  readonly records: SeenRecord[] = [];

  by(who: string): (record: ReceivedRecord<string>) => void {
    return ({ partition, offset, value }) => {
      this.records.push({ who, partition, offset, value: Number(value), atMs: performance.now() });
    };
  }

  missing(numbers: readonly number[]): number[] {
    const seen = new Set(this.records.map(({ value }) => value));
    return numbers.filter((number) => !seen.has(number));
  }

  /** The longest time between two records of a partition, after `fromMs`. */
  gapMs(partition: number, fromMs: number): number {
    const times = this.records.filter((record) => record.partition === partition && record.atMs >= fromMs).map(({ atMs }) => atMs);
    return [fromMs, ...times].reduce((most, atMs, at, all) => Math.max(most, atMs - (all[at - 1] ?? atMs)), 0);
  }
}

/** By partition: member and generation. */
export const ownersOf = (group: GroupDescription): Map<string, string> =>
  new Map(group.partitions.map(({ topic, partition, owner, generation }) => [`${topic}/${partition}`, `${owner} ${generation}`]));

export async function settled(quire: Quire, group: string, members: number): Promise<GroupDescription> {
  let described = await quire.groups().describe(group);
  await until(`group ${group} is stable with ${members} members`, async () => {
    described = await quire.groups().describe(group);
    return described.state === "stable" && described.members === members;
  });
  return described;
}
