import { QuireError } from "../../../src/base/errors.js";
import { Violation } from "../checkers/violation.js";
import type { DiskCopy } from "../disk/sim-disk.js";
import type { Chance } from "../kernel/chance.js";
import { DECEPTIVE, type Plan, WEATHER_KINDS, type WeatherKind } from "./plan.js";
import type { SimBroker } from "./sim-broker.js";
import type { Simulation } from "./simulation.js";

/** A broker that went down comes back after at most so long. */
const DOWN_MS_MAX = 15_000;
const LOOK_AFTER_MS = 3_000;
const MIB = 1024 * 1024;
/** Free on every disk when the faults have ended. */
const ROOM_BYTES = 64 * MIB;
/** Refusals to start that only another disk helps against. */
const NEEDS_ANOTHER_DISK: ReadonlySet<string> = new Set(["LOG_CORRUPT", "DATA_FOLDER_MISMATCH"]);

const DISK_ERRORS: ReadonlySet<string> = new Set(["EIO", "ENOSPC"]);

/** Carries out the plan's weather, and what an operator does about it: whatever is down is started again, a failed replica's broker anew. */
export class Nemesis {
  readonly #simulation: Simulation;
  readonly #plan: Plan;
  readonly #chance: Chance;
  readonly #actions: Readonly<Record<WeatherKind, () => unknown>>;
  /** Disks that were damaged. */
  readonly #damaged = new Set<SimBroker>();
  readonly #toWipe = new Set<SimBroker>();
  /** A broker whose database is damaged says so, and asks for another disk. */
  readonly #rotten = new Set<SimBroker>();
  readonly #copies = new Map<SimBroker, DiskCopy>();
  #isOver = false;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    this.#plan = simulation.plan;
    this.#chance = simulation.world.random("nemesis");
    this.#actions = { ...this.#processFaults(), ...this.#networkFaults(), ...this.#diskFaults(), ...this.#operations() };
  }

  begin(): void {
    for (const kind of WEATHER_KINDS) {
      const seconds = this.#plan.weather[kind];
      if (seconds !== undefined) this.#repeat(kind, seconds * 1_000);
    }
    this.#lookAfter();
  }

  /** All faults end. Whatever is down comes back at once. */
  end(): void {
    this.#isOver = true;
    const { network, brokers, clients, world } = this.#simulation;
    world.note("nemesis", "all faults end");
    network.faults.calm();
    // In a long run the load alone fills a disk, and what was set aside for an operator to look at; then that one makes room. One that was
    // wiped is empty now, and will soon hold what the others hold.
    const usedBytesMax = Math.max(...brokers.map(({ disk }) => disk.capacityBytes - disk.freeBytes));
    for (const { disk, machine, process } of brokers) {
      disk.heal();
      disk.capacityBytes = Math.max(disk.capacityBytes, usedBytesMax + ROOM_BYTES);
      machine.setRate(1);
      process?.resume();
      process?.dieAfter(Number.POSITIVE_INFINITY);
    }
    for (const broker of this.#rotten) this.#replaceDisk(broker);
    for (const client of clients) client.process?.resume();
    for (const broker of brokers) this.#startSoon(broker);
  }

  /** A broker's process ended by itself. */
  ended(broker: SimBroker, why: unknown): void {
    const { world } = this.#simulation;
    world.note(broker.machine.name, `ends: ${why instanceof Error ? why.message : String(why)}`);
    const isRefusal = why instanceof QuireError;
    // An error of the operating system at the start ends a process; it is started again.
    if (!isRefusal && !DISK_ERRORS.has((why as NodeJS.ErrnoException).code ?? "")) {
      world.fail(why);
      return;
    }
    if (isRefusal && NEEDS_ANOTHER_DISK.has(why.reason)) {
      if (!this.#damaged.has(broker)) {
        const evidence = world.trace.lines().slice(-30);
        world.fail(new Violation({ invariant: "a whole disk is accepted", subject: broker.machine.name, expected: "it starts", seen: why.message, evidence }));
        return;
      }
      this.#toWipe.add(broker);
    }
  }

  /** A broker's process is gone, whatever the reason: an operator starts it again. */
  gone(broker: SimBroker): void {
    this.#startSoon(broker);
  }

  #repeat(kind: WeatherKind, meanMs: number): void {
    const { world, tally } = this.#simulation;
    const delayMs = -Math.log(1 - this.#chance.fraction()) * meanMs;
    world.after(delayMs, "nemesis", () => {
      if (this.#isOver) return;
      if (DECEPTIVE.some((deceptive) => deceptive === kind)) this.#simulation.observer.isDeceived = true;
      if (this.#actions[kind]() !== false) tally.faults[kind] = (tally.faults[kind] ?? 0) + 1;
      this.#repeat(kind, meanMs);
    });
  }

  /** A replica that stopped for good needs its broker started anew. */
  #lookAfter(): void {
    const { world, brokers } = this.#simulation;
    for (const broker of brokers) {
      const hasFailed = [...(broker.host?.all() ?? [])].some(({ failure }) => failure !== undefined);
      if (hasFailed && broker.process?.isPaused !== true) broker.process?.die();
    }
    const rotten = this.#chance.pick([...this.#rotten]);
    if (rotten !== undefined && this.#chance.oneIn(3)) this.#replaceDisk(rotten);
    world.after(LOOK_AFTER_MS * this.#plan.pace, "operator looks", () => this.#lookAfter());
  }

  #processFaults() {
    const { clients } = this.#simulation;
    return {
      kill: () => this.#withRunning((broker) => broker.process?.die()),
      "die in a call": () =>
        this.#withRunning((broker) => {
          broker.process?.dieAfter(1 + this.#chance.below(300));
        }),
      "kill all": () => this.#running().forEach((broker) => broker.process?.die()),
      power: () => this.#withRunning((broker) => broker.machine.losePower()),
      "power of all": () => this.#running().forEach((broker) => broker.machine.losePower()),
      pause: () => this.#withRunning((broker) => this.#pause(broker, "resume")),
      "pause and kill": () => this.#withRunning((broker) => this.#pause(broker, "kill")),
      "polite restart": () => this.#withRunning((broker) => broker.stop()),
      "clock rate": () => this.#withAny(({ machine }) => machine.setRate(this.#chance.between(0.7, 1.4))),
      "clock jump": () => this.#withAny(({ machine }) => machine.jumpWall(this.#chance.between(-60_000, 60_000))),
      "client crash": () => {
        const client = this.#chance.pick(clients);
        if (client === undefined) return false;
        client.crash();
        this.#simulation.world.after(this.#ms(10, 5_000), "client restart", () => client.start());
        return true;
      },
    };
  }

  #networkFaults() {
    const { network, world, clients } = this.#simulation;
    const { faults } = network;
    const hosts = this.#simulation.brokers.map(({ machine }) => machine.name);
    const everybody = [...hosts, ...clients.map(({ name }) => name)];
    const split = (names: readonly string[]): [string[], string[]] => {
      const [a, b]: [string[], string[]] = [[], []];
      for (const name of names) (this.#chance.oneIn(2) ? a : b).push(name);
      return [a, b];
    };
    const heals = (): void => void world.after(this.#ms(200, 20_000), "heal", () => faults.heal());
    const pair = (): [string, string] => [this.#chance.pick(everybody) ?? "", this.#chance.pick(hosts) ?? ""];
    return {
      partition: () => {
        faults.partition(...split(everybody));
        heals();
      },
      "one way": () => {
        faults.oneWay(...split(everybody));
        heals();
      },
      ring: () => {
        faults.ring(hosts);
        heals();
      },
      isolate: () => {
        const [, host] = pair();
        faults.isolate(
          host,
          everybody.filter((name) => name !== host),
        );
        heals();
      },
      "responses lost": () => {
        faults.loseResponses(hosts, everybody);
        heals();
      },
      delays: () => {
        const [a, b] = pair();
        faults.delay(a, b, this.#ms(1, 2_000));
        world.after(this.#ms(100, 10_000), "heal", () => faults.delay(a, b, 0));
      },
      "slow link": () => {
        const [a, b] = pair();
        faults.slow(a, b, this.#chance.between(1, 1_000));
        world.after(this.#ms(100, 10_000), "heal", () => faults.slow(a, b, 100_000));
      },
      reset: () => faults.reset(...pair()),
      messages: () => {
        const rate = (): number => this.#chance.below(100);
        faults.messages({ drop: rate(), duplicate: rate(), reorder: rate(), replay: rate() });
        world.after(this.#ms(500, 10_000), "heal", () => faults.messages({ drop: 0, duplicate: 0, reorder: 0, replay: 0 }));
      },
    };
  }

  #diskFaults() {
    const { world } = this.#simulation;
    const isLog = (path: string): boolean => path.includes("/logs/");
    return {
      "slow disk": () =>
        this.#withAny(({ disk }) => {
          disk.speed.slowness = this.#chance.between(2, 200);
          world.after(this.#ms(500, 10_000), "heal", () => {
            disk.speed.slowness = 1;
          });
        }),
      "full disk": () =>
        this.#withAny(({ disk }) => {
          const before = disk.capacityBytes;
          disk.capacityBytes = before - disk.freeBytes + this.#chance.below(2 * MIB);
          world.after(this.#ms(500, 20_000), "heal", () => {
            disk.capacityBytes = Math.max(disk.capacityBytes, 64 * MIB);
          });
        }),
      "write error": () => this.#withAny(({ disk }) => disk.failNext({ operation: "write", code: "EIO", writtenBytes: this.#chance.below(1_000) })),
      "sync error": () => this.#withAny(({ disk }) => disk.failNext({ operation: "sync", code: "EIO" })),
      "read error": () => this.#withAny(({ disk }) => disk.failNext({ operation: "read", code: "EIO" })),
      "bit rot": () =>
        this.#withDamaged((broker) => {
          broker.disk.media.rot(isLog);
          // Most is read at the start only, and what was read is in memory.
          if (this.#chance.oneIn(2)) broker.process?.die();
        }),
      "lost file": () => this.#withDamaged(({ disk }) => disk.media.loseFile(isLog)),
      "unreadable file": () => this.#withDamaged(({ disk }) => disk.media.makeUnreadable(isLog)),
      "database rot": () =>
        this.#withDamaged((broker) => {
          broker.disk.damageDatabases();
          this.#rotten.add(broker);
        }),
      "cut file": () => this.#withDamaged(({ disk }) => disk.media.cutFile(isLog)),
      "stale sector": () => this.#withDamaged(({ disk }) => disk.media.makeStale(isLog)),
      "lost write": () => this.#withDamaged(({ disk }) => disk.media.loseNextWrite()),
      "misdirected write": () => this.#withDamaged(({ disk }) => disk.media.misdirectNextWrite()),
      wipe: () => this.#withDamaged((broker) => this.#replaceDisk(broker)),
      "old copy": () =>
        this.#withDamaged((broker) => {
          const copy = this.#copies.get(broker);
          if (copy === undefined) this.#copies.set(broker, broker.disk.copy());
          else {
            broker.process?.die();
            this.#simulation.observer.lost(broker.machine);
            broker.disk.restore(copy);
            this.#copies.delete(broker);
          }
        }),
    };
  }

  #operations() {
    const { operator } = this.#simulation;
    return {
      transfer: () => operator.transfer(),
      trim: () => operator.trim(),
      "change of quorum": () => operator.changeQuorum(),
      "more partitions": () => operator.morePartitions(),
      "topic comes and goes": () => operator.churn(),
    };
  }

  #pause(broker: SimBroker, then: "resume" | "kill"): void {
    const { process } = broker;
    if (process === undefined || process.isPaused) return;
    process.pause();
    this.#simulation.world.after(this.#ms(50, 10_000), then, () => {
      if (then === "kill" && process.isAlive) broker.process?.die();
      else process.resume();
    });
  }

  #startSoon(broker: SimBroker): void {
    this.#simulation.world.after(this.#ms(1, this.#isOver ? 100 : DOWN_MS_MAX), "broker start", () => {
      if (broker.isRunning) return;
      if (this.#toWipe.delete(broker)) {
        this.#simulation.observer.lost(broker.machine);
        broker.disk.wipe();
      }
      broker.start();
    });
  }

  #replaceDisk(broker: SimBroker): void {
    this.#rotten.delete(broker);
    this.#toWipe.add(broker);
    broker.process?.die();
  }

  /** A time at the cluster's pace. */
  #ms(min: number, max: number): number {
    return this.#chance.between(min, max) * this.#plan.pace;
  }

  #running(): SimBroker[] {
    return this.#simulation.brokers.filter(({ isRunning }) => isRunning);
  }

  #withRunning(act: (broker: SimBroker) => void): boolean {
    return this.#with(this.#running(), act);
  }

  #withAny(act: (broker: SimBroker) => void): boolean {
    return this.#with(this.#simulation.brokers, act);
  }

  /** One of the disks that may be damaged; no more of them than the plan says. */
  #withDamaged(act: (broker: SimBroker) => void): boolean {
    const isFull = this.#damaged.size >= this.#plan.damagedDisksMax;
    return this.#with(isFull ? [...this.#damaged] : this.#simulation.brokers, (broker) => {
      this.#damaged.add(broker);
      this.#simulation.observer.damaged(broker.machine);
      act(broker);
    });
  }

  #with(brokers: readonly SimBroker[], act: (broker: SimBroker) => void): boolean {
    const broker = this.#chance.pick(brokers);
    if (broker !== undefined) act(broker);
    return broker !== undefined;
  }
}
