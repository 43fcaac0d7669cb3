/** The consumer groups of a run: their members, whoever operates them, and what comes too late; and whether all have come to rest. */
import { type Quire, QuireError } from "../../../src/client/index.js";
import { callUnary } from "../../../src/wire/call.js";
import { groupService } from "../../../src/wire/services.js";
import { fromStatus } from "../../../src/wire/status.js";
import type { Chance } from "../kernel/chance.js";
import type { World } from "../kernel/world.js";
import type { SimNetwork } from "../network/sim-network.js";
import { attend } from "./group-members.js";
import type { GroupPlan } from "./group-plan.js";
import { whyGroupUnsettled } from "./group-settled.js";
import type { GroupsWatch } from "./groups-watch.js";
import type { Recorder } from "./recorder.js";
import { type ClientLife, SimClient, type SimClientOptions } from "./sim-client.js";

export interface GroupsOptions {
  readonly world: World;
  readonly network: SimNetwork;
  readonly plans: readonly GroupPlan[];
  readonly pace: number;
  readonly brokers: readonly string[];
  readonly connect: SimClientOptions["connect"];
  readonly recorder: Recorder;
  readonly watch: GroupsWatch;
}

/** A client that died comes again after so long, at the most. */
const RESTART_MS_MAX = 10_000;
const LATE_CALL_MS = 5_000;
const TRY_MS = 200;

export class Groups {
  readonly clients: readonly SimClient[];
  readonly watch: GroupsWatch;
  readonly #options: GroupsOptions;
  readonly #members: readonly SimClient[];
  /** Names of groups whose members shall be away. */
  readonly #away = new Set<string>();
  #isCalm = false;
  #isOver = false;

  constructor(options: GroupsOptions) {
    this.#options = options;
    const { plans, watch } = options;
    this.watch = watch;
    for (const { name, commit, from } of plans) watch.plan({ group: name, commit, from });
    this.#members = plans.flatMap((group) => group.members.map((_, at) => this.#member(group, at)));
    const others = plans.flatMap((group) => [
      this.#client(`${group.name}-operator`, (life, chance) => this.#operate(life, group, chance)),
      this.#client(`${group.name}-late`, (life, chance) => this.#beLate(life, group, chance)),
    ]);
    this.clients = [...this.#members, ...others];
  }

  /** The faults are over: all members come, stay, and work; nobody else meddles. */
  calm(): void {
    this.#isCalm = true;
    this.#away.clear();
    for (const client of this.clients)
      if (this.#members.includes(client)) client.start();
      else client.end();
  }

  /** Why not all partitions are worked off in somebody's hands. */
  whyUnsettled(): string | undefined {
    const { plans, watch } = this.#options;
    for (const plan of plans) {
      const why = whyGroupUnsettled(plan, watch);
      if (why !== undefined) return `group ${plan.name}: ${why}`;
    }
    return undefined;
  }

  /** What happened last, for reports. */
  recent(): string[] {
    return this.watch.recent();
  }

  end(): void {
    this.#isOver = true;
    for (const client of this.clients) client.end();
  }

  #client(name: string, work: (life: ClientLife, chance: Chance) => Promise<void>): SimClient {
    const { world, network, brokers, connect, watch } = this.#options;
    const chance = world.random(`client ${name}`);
    const client: SimClient = new SimClient({
      world,
      network,
      name,
      brokers,
      ...(connect !== undefined && { connect }),
      startMembershipHost: (ports, process) => watch.beliefs.host(ports, process),
      work: async (life) => {
        life.process.onDeath(() => {
          if (!this.#isOver) world.after(chance.between(0, RESTART_MS_MAX) * this.#options.pace, "client restart", () => client.start());
        });
        await work(life, chance);
      },
    });
    return client;
  }

  #member(group: GroupPlan, at: number): SimClient {
    const { pace, watch, recorder } = this.#options;
    const name = `${group.name}-${at + 1}`;
    const plan = group.members[at] as GroupPlan["members"][number];
    const [isCalm, isAway] = [() => this.#isCalm, () => this.#away.has(group.name)];
    return this.#client(name, (life, chance) => attend(life, { name, group, plan, pace, chance, watch, recorder, isCalm, isAway }));
  }

  async #operate(life: ClientLife, group: GroupPlan, chance: Chance): Promise<void> {
    const { pace } = this.#options;
    while (life.isOn()) {
      await life.pause(chance.between(0, 2 * group.operatedMs));
      if (!life.isOn()) return;
      if (!this.#isCalm && chance.oneIn(2)) this.#freeze(group, chance);
      const isForced = chance.oneIn(3);
      if (!isForced) this.#away.add(group.name);
      const until = life.process.clock.monotonicMs() + chance.between(0, 20_000) * pace;
      let isDone = false;
      while (life.isOn() && !isDone && !this.#isCalm) {
        isDone = (await this.#move(life.quire, group, chance)) || isForced || life.process.clock.monotonicMs() > until;
        await life.pause(TRY_MS * pace);
      }
      this.#away.delete(group.name);
    }
  }

  /** A member's machine stands still, perhaps for longer than its session; then it goes on as if nothing had been. */
  #freeze(group: GroupPlan, chance: Chance): void {
    const { world, pace } = this.#options;
    const member = chance.pick(this.#members.filter(({ name }) => name.startsWith(`${group.name}-`)));
    const process = member?.process;
    if (process === undefined || process.isPaused) return;
    process.pause();
    world.after(chance.between(100, 15_000) * pace, "resume", () => process.resume());
  }

  /** Moves or forgets the group, if it has no members; what was acknowledged must have been done. */
  async #move(quire: Quire, group: GroupPlan, chance: Chance): Promise<boolean> {
    const { watch } = this.#options;
    const groups = quire.groups();
    try {
      if (chance.oneIn(3)) await groups.describe(group.name);
      if (chance.oneIn(4)) {
        await groups.delete(group.name);
        return true;
      }
      const topics = watch.ownership.get(group.name)?.topics ?? [];
      if (topics.length === 0) return false;
      const to = chance.pick(["earliest", "earliest", "latest"] as const) ?? "earliest";
      for (const { topic, partition, offset } of await groups.reset(group.name, { topics, to })) {
        const id = watch.idOf(`${topic}/${partition}`);
        if (offset === undefined || id === undefined || watch.progressOf(id).wasReset(group.name, offset)) continue;
        const problem = {
          invariant: "an acknowledged commit is committed",
          expected: `group ${group.name} moved to ${offset}`,
          seen: "it was never moved there",
        };
        watch.tell(`${topic}/${partition}`, problem);
      }
      return true;
    } catch (thrown) {
      if (!(thrown instanceof QuireError)) throw thrown;
      return thrown.reason === "GROUP_NOT_FOUND";
    }
  }

  /** Requests of members that come again long after, of generations that may be gone; and one beyond the records, which nobody may take. */
  async #beLate(life: ClientLife, group: GroupPlan, chance: Chance): Promise<void> {
    const { network, watch, brokers } = this.#options;
    const { dial } = network.portsOf(life.process);
    while (life.isOn()) {
      await life.pause(chance.between(0, 2 * group.lateMs));
      const past = chance.pick(watch.pastOf(group.name));
      if (past === undefined || !life.isOn()) continue;
      const { memberId, generation, topic, partition } = past;
      const isBeyond = chance.oneIn(5);
      const offset = isBeyond ? past.processed + 1_000_000 : chance.below(past.processed + 1);
      const channel = dial(chance.pick(brokers) ?? "", {});
      try {
        const deadline = life.process.clock.wallMs() + LATE_CALL_MS;
        await channel.ready(deadline);
        const commits = [{ topic, partition, generation, offset }];
        if (chance.oneIn(4)) await callUnary(channel, groupService.FetchOffsets, { group: group.name, memberId, fetches: commits }, { deadline });
        else {
          const [answer] = (await callUnary(channel, groupService.CommitOffsets, { group: group.name, memberId, commits }, { deadline })).answers;
          if (isBeyond && answer !== undefined && answer.error === null) watch.tell(`${topic}/${partition}`, taken(offset));
          else if (answer?.error != null) fromStatus(answer.error);
        }
      } catch (thrown) {
        if (!(thrown instanceof QuireError)) throw thrown;
      }
      channel.close();
    }
  }
}

const taken = (offset: number): { invariant: string; expected: string; seen: string } => ({
  invariant: "an offset beyond the records is refused",
  expected: "OFFSET_OUT_OF_RANGE, or who commits is refused",
  seen: `${offset} was acknowledged`,
});
