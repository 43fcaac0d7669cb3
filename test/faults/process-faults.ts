import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "./fault.js";

const HOUR_MS = 3_600_000;

/** What happens to processes: they die, hang, or are told another time. */
export const processFaults: readonly Fault[] = [
  {
    name: "killed",
    lastsMs: 1_500,
    servedMs: 2_000,
    backMs: 4_000,
    async begin({ world, victim }) {
      await world.kill([victim]);
      return () => world.start([victim]);
    },
  },
  {
    name: "paused",
    lastsMs: 4_000,
    servedMs: 4_000,
    backMs: 4_000,
    async begin({ world, victim }) {
      world.broker(victim).signal("SIGSTOP");
      return async () => world.broker(victim).signal("SIGCONT");
    },
  },
  {
    name: "paused, then killed",
    lastsMs: 4_000,
    servedMs: 4_000,
    backMs: 4_000,
    async begin({ world, victim }) {
      world.broker(victim).signal("SIGSTOP");
      return async () => {
        await world.kill([victim]);
        await world.start([victim]);
      };
    },
  },
  {
    name: "a majority killed",
    lastsMs: 1_000,
    backMs: 6_000,
    async begin({ world, victim }) {
      const victims = [victim, ...world.others(victim)].slice(0, Math.floor(world.nodeIds.length / 2) + 1);
      await world.kill(victims);
      return () => world.start(victims);
    },
  },
  {
    name: "clock one hour ahead, then one behind",
    lastsMs: 2_000,
    servedMs: 2_000,
    backMs: 3_000,
    async begin({ world, victim }) {
      await world.shiftClock(victim, HOUR_MS);
      await sleep(1_000);
      await world.shiftClock(victim, -HOUR_MS);
      return () => world.shiftClock(victim, 0);
    },
  },
];
