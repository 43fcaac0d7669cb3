/** One run: a cluster with its clients under the plan's weather, then peace, then the verdict. */
import { KIB } from "../../../src/base/limits.js";
import type { LocalHost } from "../../../src/replica/host.js";
import { checkHistory } from "../checkers/check-history.js";
import type { AnomalyName } from "../checkers/history.js";
import { Violation } from "../checkers/violation.js";
import { World } from "../kernel/world.js";
import { SimNetwork } from "../network/sim-network.js";
import { FinalReads } from "./final-reads.js";
import { Groups } from "./groups.js";
import { GroupsWatch } from "./groups-watch.js";
import { Nemesis } from "./nemesis.js";
import { Observer } from "./observer.js";
import { Operator } from "./operator.js";
import { type Plan, type PlanOptions, planOf } from "./plan.js";
import { Recorder } from "./recorder.js";
import { SimBroker } from "./sim-broker.js";
import { SimClient } from "./sim-client.js";
import { emptyTally, type Tally } from "./tally.js";
import { consume, produce } from "./workload.js";

export interface SimulationOptions extends PlanOptions {
  readonly seed: number;
  /** Lines of the trace that are kept for people. */
  readonly linesMax?: number;
}

export interface Outcome {
  readonly hash: string;
  readonly tally: Tally;
  readonly violation: Violation | undefined;
  readonly lines: readonly string[];
}

/** From the end of all faults until everybody must have been answered. */
const CALM_MS = 120_000;
const STEP_MS = 1_000;
/** An eighth of the time after which producers are forgotten, and one look at them, by the slowest clock. */
const TIME_TOLD_MS = 150_000;
/** All named producers have this name: whoever begins fences the one before, which then begins again. */
const SHARED_NAME = "named";

/** Of disks that deceive, nobody can tell what they should have held; what was never sent, or not so, must not be read of them either. */
const EVEN_IF_DECEIVED: ReadonlySet<string> = new Set<AnomalyName>(["invented", "altered"]);

export class Simulation {
  readonly world: World;
  readonly network: SimNetwork;
  readonly plan: Plan;
  readonly recorder: Recorder;
  readonly observer: Observer;
  readonly operator: Operator;
  readonly brokers: readonly SimBroker[];
  /** Producers, readers, and all of the consumer groups. */
  readonly clients: readonly SimClient[];
  readonly groups: Groups;
  readonly tally = emptyTally();
  readonly #nemesis: Nemesis;

  constructor({ seed, linesMax = 0, ...options }: SimulationOptions) {
    this.world = new World({ seed, trace: { linesMax } });
    this.plan = planOf(this.world.random("plan"), options);
    this.network = new SimNetwork(this.world, this.world.random("network"));
    this.recorder = new Recorder(this.world);
    for (const { name, retention } of this.plan.topics) if (retention !== undefined) this.recorder.mayTrim(name);
    const watch = new GroupsWatch(
      () => this.world.nowMs,
      (violation) => {
        if (!this.observer.isDeceived) this.world.fail(violation);
      },
    );
    this.observer = new Observer(this.world, this.recorder, this.plan.groups.length > 0 ? watch : undefined);
    this.brokers = this.#createBrokers();
    this.operator = new Operator({ world: this.world, network: this.network, plan: this.plan, brokers: this.addresses, recorder: this.recorder });
    this.groups = this.#createGroups(watch);
    this.clients = [...this.#createClients(), ...this.groups.clients];
    this.#nemesis = new Nemesis(this);
    this.world.settled = (actor) => this.observer.settled(actor);
  }

  /** Runs to its end. */
  async run(): Promise<Outcome> {
    let violation: Violation | undefined;
    try {
      await this.#go();
    } catch (thrown) {
      violation = thrown instanceof Violation ? thrown : crashed(thrown);
    }
    const { world, tally } = this;
    tally.events = world.events;
    tally.simulatedMs = world.nowMs;
    tally.elections = this.observer.elections;
    tally.handled = this.groups.watch.handled;
    tally.commits = this.groups.watch.commits;
    return { hash: world.trace.hash, tally, violation, lines: world.trace.lines() };
  }

  get addresses(): string[] {
    return this.brokers.map(({ address }) => address);
  }

  /** Runs until `condition` holds. False when it did not within the time. */
  async until(condition: () => boolean, withinMs: number): Promise<boolean> {
    const end = this.world.nowMs + withinMs * this.plan.pace;
    while (!condition()) {
      if (this.world.nowMs >= end) return false;
      await this.world.run(this.world.nowMs + STEP_MS * this.plan.pace);
    }
    return true;
  }

  async #go(): Promise<void> {
    for (const broker of this.brokers) broker.start();
    for (const client of [this.operator.client, ...this.clients]) client.start();
    if (!(await this.until(() => this.operator.isReady, CALM_MS))) throw this.#stuck("the cluster forms and the topics are created");
    this.#nemesis.begin();
    await this.world.run(this.world.nowMs + this.plan.faultsMs);
    this.#nemesis.end();
    const finalReads = new FinalReads(this);
    await this.#calm(finalReads);
    finalReads.conclude();
    const verdict = checkHistory(this.recorder.history());
    this.tally.acknowledged = verdict.acknowledged;
    this.tally.read = verdict.read;
    const counts = ({ invariant }: Violation): boolean => !this.observer.isDeceived || EVEN_IF_DECEIVED.has(invariant);
    const first = verdict.violations.find(counts);
    if (first !== undefined) throw first;
  }

  /** Within the promise everything comes back by itself; beyond it, what does not has halted. */
  async #calm(finalReads: FinalReads): Promise<void> {
    const clients = [this.operator.client, ...this.clients.filter((client) => !this.groups.clients.includes(client))];
    const mustLive = this.plan.mode === "within";
    this.groups.calm();
    for (const client of clients) client.end();
    const isAnswered = await this.until(() => clients.every(({ isDone }) => isDone), CALM_MS);
    if (mustLive && !isAnswered && !this.observer.mayHaveHalted(this.#hosts())) throw this.#stuck("every request is answered or refused");
    if (this.plan.groups.length > 0) await this.#settleGroups(mustLive);
    for (const client of [...clients, ...this.groups.clients]) client.crash();
    finalReads.begin();
    const isRead = await this.until(() => finalReads.isDone, CALM_MS);
    if (!mustLive) return;
    if (!isRead && this.observer.mayHaveHalted(this.#hosts())) {
      this.tally.halted += 1;
      return;
    }
    if (!isRead) throw this.#stuck("every partition has a leader and can be read");
    // After the last write leaders tell the time once more, an entry like any other: then logs rest.
    await this.world.run(this.world.nowMs + TIME_TOLD_MS * this.plan.pace);
    while (!(await this.#concludes()));
  }

  /** All groups work off what there is, each partition in one member's hands; then all members leave. */
  async #settleGroups(mustLive: boolean): Promise<void> {
    const { groups } = this;
    // What has halted for good need not be waited for as long as what must come.
    const isSettled = await this.until(() => groups.whyUnsettled() === undefined, mustLive ? CALM_MS : CALM_MS / 4);
    const mayBeStuck = (): boolean => !mustLive || this.observer.mayHaveHalted(this.#hosts());
    if (!isSettled && !mayBeStuck()) throw this.#stuck(`consumer groups settle: ${groups.whyUnsettled()}`, groups.recent());
    groups.end();
    const haveLeft = await this.until(() => groups.clients.every(({ isDone }) => isDone), CALM_MS);
    if (!haveLeft && !mayBeStuck()) throw this.#stuck("all members of groups leave", groups.recent());
  }

  /** Reading all logs may find damage that nobody met before: then that replica begins again, and so does this. */
  async #concludes(): Promise<boolean> {
    if (!(await this.until(() => this.observer.allAgree(this.#hosts()), CALM_MS))) throw this.#stuck("all replicas agree");
    try {
      return await this.#during(this.observer.concludes(this.#hosts(), this.recorder.open()));
    } catch (error) {
      if (this.observer.isDamage(error)) return false;
      throw error;
    }
  }

  /** Lets the world go on until the work is done. */
  async #during<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    done.catch(() => undefined);
    if (!(await this.until(() => isDone, CALM_MS))) throw this.#stuck("all logs are read");
    return await done;
  }

  #hosts(): LocalHost[] {
    return this.brokers.flatMap(({ host }) => (host === undefined ? [] : [host]));
  }

  #stuck(what: string, more: readonly string[] = []): Violation {
    return new Violation({
      invariant: "liveness",
      subject: what,
      expected: `within ${(CALM_MS * this.plan.pace) / 1_000} s after the last fault`,
      seen: "it did not happen",
      evidence: [...this.observer.describe(this.#hosts()), ...this.world.trace.lines().slice(-20), ...more],
    });
  }

  #createBrokers(): SimBroker[] {
    const { world, network, plan, observer } = this;
    return Array.from(
      { length: plan.brokers },
      (_, at) =>
        new SimBroker({
          world,
          network,
          nodeId: at + 1,
          founders: plan.brokers,
          racks: plan.racks,
          pace: plan.pace,
          journalBytesMax: plan.journalBytesMax,
          inflightBytesMax: plan.inflightBytesMax,
          observer,
          onGone: (broker) => this.#nemesis.gone(broker),
          onEnd: (broker, why) => this.#nemesis.ended(broker, why),
        }),
    );
  }

  #createGroups(watch: GroupsWatch): Groups {
    const { world, network, plan, recorder, addresses: brokers } = this;
    const connect = { ...paced(plan.pace, 30_000), readAheadBytes: 64 * KIB, adminTimeoutMs: 15_000 };
    return new Groups({ world, network, plans: plan.groups, pace: plan.pace, brokers, connect, recorder, watch });
  }

  #createClients(): SimClient[] {
    const { world, network, plan, recorder } = this;
    const brokers = this.brokers.map(({ address }) => address);
    const producers = plan.producers.map((producer, at) => {
      const name = `p${at + 1}`;
      const topic = plan.topics.find((each) => each.name === producer.topic) ?? (plan.topics[0] as Plan["topics"][number]);
      const options = { name, plan: producer, topic, chance: world.random(`client ${name}`), recorder, numbers: { next: 0 } };
      const { acks, retryUnknown, idempotence, batchBytes } = producer;
      const connect = { acks, retryUnknown, idempotence, ...(producer.isNamed && { producer: SHARED_NAME }), batchBytes, ...paced(plan.pace, 20_000) };
      return new SimClient({ world, network, name, brokers, connect, work: (life) => produce(life, options) });
    });
    const readers = plan.readers.map((reader, at) => {
      const name = `r${at + 1}`;
      const options = { name, plan: reader, chance: world.random(`client ${name}`), recorder };
      return new SimClient({
        world,
        network,
        name,
        brokers,
        connect: { ...paced(plan.pace, 30_000), readAheadBytes: 64 * KIB },
        work: (life) => consume(life, options),
      });
    });
    return [...producers, ...readers];
  }
}

/** The client's times at the cluster's pace. */
const paced = (pace: number, deliveryTimeoutMs: number) => ({
  deliveryTimeoutMs: deliveryTimeoutMs * pace,
  requestTimeoutMs: Math.min(300_000, 10_000 * pace),
  stallMs: 1_000 * pace,
  retryDelayMsMax: 1_000 * pace,
  silenceMs: 12_500 * pace,
  keepaliveTimeMs: 3_000 * pace,
  keepaliveTimeoutMs: 3_000 * pace,
});

const crashed = (thrown: unknown): Violation => {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return new Violation({
    invariant: "no bug is met",
    subject: error.name,
    expected: "the code works, or refuses with a QuireError",
    seen: error.message,
    evidence: (error.stack ?? "").split("\n").slice(1, 12),
  });
};
