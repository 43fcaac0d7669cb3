/** What a member of a consumer group does in a run: it comes, handles records in its own ways, and goes. */
import {
  bytes as bytesSerializer,
  type Consumer,
  type Handler,
  type HandlerContext,
  HandlerFailure,
  QuireError,
  type ReceivedRecord,
} from "../../../src/client/index.js";
import type { GroupWork, Tenure } from "../checkers/group-work.js";
import type { Chance } from "../kernel/chance.js";
import type { GroupPlan, MemberPlan } from "./group-plan.js";
import type { GroupsWatch } from "./groups-watch.js";
import { digestOf, type Recorder } from "./recorder.js";
import type { ClientLife } from "./sim-client.js";

export interface AttendOptions {
  readonly name: string;
  readonly group: GroupPlan;
  readonly plan: MemberPlan;
  readonly pace: number;
  readonly chance: Chance;
  readonly watch: GroupsWatch;
  readonly recorder: Recorder;
  /** The faults are over: stay, and work as well as can be. */
  readonly isCalm: () => boolean;
  /** All members of the group shall be away. */
  readonly isAway: () => boolean;
}

class HandlerThrew extends Error {}

const LOOK_MS = 200;

/** A member again and again, until its client ends. */
export async function attend(life: ClientLife, options: AttendOptions): Promise<void> {
  const { plan, pace, chance, isCalm, isAway } = options;
  const look = (): Promise<void> => life.pause(LOOK_MS * pace);
  while (life.isOn()) {
    if (isAway() || (!isCalm() && chance.oneIn(3))) await life.pause(chance.between(0, 2 * plan.awayMs));
    if (isAway()) continue;
    const member = new Member(life, options);
    const consumer = await member.enter();
    if (consumer === undefined) {
      await look();
      continue;
    }
    const until = life.process.clock.monotonicMs() + 2 * plan.stayMs * chance.fraction();
    const mayStay = (): boolean => life.isOn() && !isAway() && (isCalm() || life.process.clock.monotonicMs() < until);
    while (mayStay() && !member.hasEnded) {
      if (!isCalm() && chance.oneIn(200)) await napping(consumer, life, chance.between(0, 20 * LOOK_MS * pace));
      await look();
      member.acknowledge(consumer);
    }
    if (!isCalm() && plan.isFrail && life.isOn() && chance.oneIn(3)) return life.process.die();
    await (chance.oneIn(4) && !isCalm() ? consumer.close({ timeoutMs: 0 }) : consumer.close());
  }
}

async function napping(consumer: Consumer, life: ClientLife, forMs: number): Promise<void> {
  consumer.pause();
  await life.pause(forMs);
  consumer.resume();
}

/** One consumer, from its entry to its end. */
class Member {
  hasEnded = false;
  readonly #life: ClientLife;
  readonly #options: AttendOptions;
  /** One for each time that it had a partition: each has a signal of its own. */
  readonly #tenures = new WeakMap<AbortSignal, { readonly tenure: Tenure; readonly work: GroupWork; readonly reader: string }>();
  #memberId = "";
  #begun = 0;

  constructor(life: ClientLife, options: AttendOptions) {
    this.#life = life;
    this.#options = options;
  }

  async enter(): Promise<Consumer | undefined> {
    const { group, plan } = this.#options;
    const { workMs: _, ...settings } = plan;
    const { instance, concurrency, sessionTimeoutMs, progressTimeoutMs, drainTimeoutMs, commitIntervalMs, onFailure } = settings;
    const retries = { attempts: 3, delayMsMin: 10, delayMsMax: 500 };
    const handler: Handler<Uint8Array> = (record, context) => this.#handle(record, context);
    try {
      const consumer = await this.#life.quire.consume<Uint8Array>(group.name, group.subscription, handler, {
        serializer: bytesSerializer,
        commit: group.commit,
        from: group.from,
        strategy: group.strategy,
        sessionTimeoutMs,
        progressTimeoutMs,
        drainTimeoutMs,
        commitIntervalMs,
        onFailure,
        retries,
        ...(instance !== undefined && { instance }),
        ...(concurrency !== undefined && { concurrency }),
      });
      this.#memberId = consumer.memberId;
      consumer.done.then(
        () => this.#ended(undefined),
        (why: unknown) => this.#ended(why),
      );
      return consumer;
    } catch (thrown) {
      if (!(thrown instanceof QuireError)) throw thrown;
      return undefined;
    }
  }

  /** What the brokers have acknowledged must have been committed. */
  acknowledge(consumer: Consumer): void {
    for (const { topic, partition, committed } of consumer.assignment()) {
      const generation = this.#options.watch.beliefs.generationOf(consumer.memberId, `${topic}/${partition}`);
      if (committed !== undefined && generation !== undefined) this.#acknowledged(`${topic}/${partition}`, generation, committed);
    }
  }

  #ended(why: unknown): void {
    this.hasEnded = true;
    if (why === undefined || why instanceof QuireError || why instanceof HandlerFailure) return;
    this.#life.process.uncaught(why);
  }

  #acknowledged(partition: string, generation: number, offset: number): void {
    const { watch, group } = this.#options;
    const id = watch.idOf(partition);
    if (id !== undefined) watch.tell(partition, watch.progressOf(id).problemOfAcknowledged(group.name, generation, offset));
  }

  #handle(record: ReceivedRecord<Uint8Array>, context: HandlerContext): unknown {
    const { watch, recorder, group, plan, chance, isCalm } = this.#options;
    const partition = `${record.topic}/${record.partition}`;
    const { tenure, work, reader } = this.#tenureOf(partition, context.signal);
    watch.tell(partition, work.begins(tenure, record.offset, context.attempt));
    const body = record.valueBytes ?? Buffer.alloc(0);
    const value = body.toString("latin1").replace(/\.+$/, "");
    if (context.attempt === 1) {
      const records = [{ offset: record.offset, value, digest: digestOf(record.key ?? "", body) }];
      recorder.poll({ reader, partition, records, leaps: group.from === "latest" });
    }
    const done = (): void => this.#done(record, tenure, work);
    if (isCalm()) return this.#commit(partition, tenure, record, context, done);
    if (plan.throwsOnceIn > 0 && chance.oneIn(plan.throwsOnceIn)) {
      if (context.attempt === 3 && plan.onFailure === "skip") done();
      throw new HandlerThrew("on purpose");
    }
    if (plan.hangsOnceIn > 0 && chance.oneIn(plan.hangsOnceIn)) return hang(context.signal, chance.oneIn(2));
    if (plan.workMs === 0) return this.#commit(partition, tenure, record, context, done);
    return this.#life.pause(chance.between(0, 2 * plan.workMs)).then(() => this.#commit(partition, tenure, record, context, done));
  }

  #done({ topic, partition, offset }: ReceivedRecord<Uint8Array>, tenure: Tenure, work: GroupWork): void {
    const { watch, group } = this.#options;
    work.done(tenure, offset);
    // What it may commit of that is for the handler to say, where it is committed by hand.
    const { memberId, generation } = tenure;
    watch.processed({ group: group.name, memberId, generation, topic, partition, processed: offset + 1 });
  }

  /** By hand: at once, or later, or never, if more records follow. */
  #commit(partition: string, tenure: Tenure, { offset }: ReceivedRecord<Uint8Array>, context: HandlerContext, done: () => void): unknown {
    done();
    const { group, chance, isCalm, pace } = this.#options;
    if (group.commit !== "manual") return undefined;
    const commit = async (): Promise<void> => {
      try {
        await context.commit();
        this.#acknowledged(partition, tenure.generation, offset + 1);
      } catch (thrown) {
        if (!(thrown instanceof QuireError)) throw thrown;
      }
    };
    if (isCalm() || chance.oneIn(5)) return commit();
    void this.#life
      .pause(chance.between(0, 2_000 * pace))
      .then(commit)
      .catch((thrown: unknown) => this.#life.process.uncaught(thrown));
    return undefined;
  }

  #tenureOf(partition: string, signal: AbortSignal): { readonly tenure: Tenure; readonly work: GroupWork; readonly reader: string } {
    const known = this.#tenures.get(signal);
    if (known !== undefined) return known;
    const { watch, group, name } = this.#options;
    const id = watch.idOf(partition);
    const generation = watch.beliefs.generationOf(this.#memberId, partition) ?? -1;
    const work = id === undefined ? undefined : watch.workOf(group.name, id);
    if (work === undefined || generation < 0) throw new Error(`${name} handles a record of ${partition}, which it does not hold`);
    const tenure: Tenure = { memberId: this.#memberId, generation, isLost: () => signal.aborted };
    this.#begun += 1;
    const made = { tenure, work, reader: `${name}.${this.#life.number}.${this.#memberId}.${this.#begun}` };
    this.#tenures.set(signal, made);
    return made;
  }
}

/** For ever, or until it is told to stop. */
const hang = (signal: AbortSignal, isObedient: boolean): Promise<void> =>
  new Promise((_resolve, reject) => {
    if (isObedient) signal.addEventListener("abort", () => reject(new HandlerThrew("told to stop")), { once: true });
  });
