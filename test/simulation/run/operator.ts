import { bytes, type Quire, QuireError } from "../../../src/client/index.js";
import type { Chance } from "../kernel/chance.js";
import type { World } from "../kernel/world.js";
import type { SimNetwork } from "../network/sim-network.js";
import { losableDisks, type Plan, quorumsOf, type TopicPlan } from "./plan.js";
import { digestOf, outcomeOf, type Recorder } from "./recorder.js";
import { SimClient } from "./sim-client.js";

export interface OperatorOptions {
  readonly world: World;
  readonly network: SimNetwork;
  readonly plan: Plan;
  readonly brokers: readonly string[];
  readonly recorder: Recorder;
}

type Job = (quire: Quire) => Promise<unknown>;

/** Whoever runs the cluster: creates the topics, and then does what the weather says, one thing after the other. What fails, fails. */
export class Operator {
  readonly client: SimClient;
  readonly #options: OperatorOptions;
  readonly #chance: Chance;
  readonly #jobs: Job[] = [];
  #isReady = false;
  #churned = 0;

  constructor(options: OperatorOptions) {
    this.#options = options;
    const { world, network, brokers } = options;
    this.#chance = world.random("operator");
    this.client = new SimClient({
      world,
      network,
      name: "operator",
      brokers,
      connect: { adminTimeoutMs: 15_000 },
      work: async ({ quire, isOn, pause }) => {
        for (const topic of options.plan.topics) while (isOn() && !(await this.#tried(() => create(quire, topic))));
        this.#isReady = true;
        while (isOn()) {
          const job = this.#jobs.shift();
          if (job === undefined) await pause(100);
          else await this.#tried(() => job(quire));
        }
      },
    });
  }

  /** Whether all topics are there. */
  get isReady(): boolean {
    return this.#isReady;
  }

  transfer(): void {
    const { name, partitions } = this.#topic();
    const [partition, to] = [this.#chance.below(partitions), 1 + this.#chance.below(this.#options.plan.brokers)];
    this.#do((quire) => quire.topic(name).transferLeader(partition, to));
  }

  trim(): void {
    const { name, partitions } = this.#topic();
    const partition = this.#chance.below(partitions);
    const share = this.#chance.fraction();
    this.#do(async (quire) => {
      const topic = quire.topic(name);
      const latest = (await topic.offsets("latest")).get(partition) ?? 0;
      const before = Math.floor(latest * share);
      this.#options.recorder.mayTrim(`${name}/${partition}`, before);
      await topic.trim(partition, before);
    });
  }

  /** Only to quorums that can lose as many disks as may be damaged. */
  changeQuorum(): void {
    const { name, replicas } = this.#topic();
    const valid = quorumsOf(replicas).filter((quorum) => losableDisks({ replicas, ...quorum }) >= this.#options.plan.damagedDisksMax);
    const quorum = this.#chance.pick(valid);
    if (quorum !== undefined) this.#do((quire) => quire.topic(name).update({ writeQuorum: quorum.w, readQuorum: quorum.r }));
  }

  morePartitions(): void {
    const { name, partitions } = this.#topic();
    const more = partitions + 1 + this.#chance.below(3);
    this.#do((quire) => quire.topic(name).update({ partitions: more }));
  }

  /** A topic is created, written to, and deleted. It can lose as many disks as may be damaged, should its end not come about. */
  churn(): void {
    this.#churned += 1;
    const name = `passing-${this.#churned}`;
    const { recorder, plan } = this.#options;
    const partition = `${name}/0`;
    recorder.deleted(partition);
    this.#do(async (quire) => {
      const topic = quire.topic(name, { serializer: bytes });
      await topic.create({ partitions: 1, replicas: Math.min(plan.brokers, Math.max(3, 2 * plan.damagedDisksMax + 1)) });
      for (let at = 0; at < 5; at++) {
        const value = Buffer.from(`${name}-${at}`);
        const settle = recorder.send({
          client: "operator",
          partition,
          value: value.toString(),
          digest: digestOf("", value),
          acks: "quorum",
          mayRepeat: true,
        });
        await topic.send(value, { partition: 0 }).then(
          ({ offset }) => settle({ kind: "acknowledged", offset, term: 0 }),
          (thrown) => settle(outcomeOf(thrown)),
        );
      }
      await topic.delete();
    });
  }

  #do(job: Job): void {
    if (this.#jobs.length < 10) this.#jobs.push(job);
  }

  #topic(): TopicPlan {
    return this.#chance.pick(this.#options.plan.topics) as TopicPlan;
  }

  async #tried(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (thrown) {
      if (!(thrown instanceof QuireError)) throw thrown;
      this.#options.world.trace.tell(this.#options.world.nowMs, "operator", () => `${thrown.reason}: ${thrown.message}`);
      return false;
    }
  }
}

const create = (quire: Quire, { name, partitions, replicas, w, r, retention }: TopicPlan): Promise<unknown> =>
  quire.topic(name).create({ partitions, replicas, writeQuorum: w, readQuorum: r, ifNotExists: true, ...(retention !== undefined && { settings: retention }) });
