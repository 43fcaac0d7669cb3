import { flipBits, logFilesOf, truncateSegment } from "./damage.js";
import { failSyncs } from "./failing-syncs.js";
import type { Fault, Scene } from "./fault.js";
import { RESERVE_BYTES } from "./world.js";

const SERVED_MS = 4_000;
const BACK_MS = 5_000;

/** Disks that are full, do not sync, or have lost or changed what was on them. */
export const diskFaults: readonly Fault[] = [
  {
    name: "disk nearly full: producing is refused",
    lastsMs: 2_000,
    backMs: 3_000,
    async begin({ world, victim }) {
      await world.disk(victim).fillUpTo(RESERVE_BYTES / 2);
      return () => world.disk(victim).freeUp();
    },
  },
  {
    // Whoever leads here refuses until there is room, unless a write fails before it has looked: then others lead soon. Either may be.
    name: "disk full to the last byte",
    lastsMs: 3_000,
    backMs: BACK_MS,
    async begin({ world, victim }) {
      await world.disk(victim).fillUpTo(0);
      return async () => {
        await world.disk(victim).freeUp();
        await restart({ world, victim });
      };
    },
  },
  {
    name: "syncs fail, then killed",
    needs: "strace",
    lastsMs: 3_000,
    servedMs: SERVED_MS,
    backMs: BACK_MS,
    async begin({ world, victim }) {
      const stopFailing = await failSyncs(world.broker(victim).pid, "all");
      return async () => {
        await stopFailing();
        await restart({ world, victim });
      };
    },
  },
  {
    name: "each thread's next sync fails, then power loss",
    needs: "strace",
    lastsMs: 3_000,
    servedMs: SERVED_MS,
    backMs: BACK_MS,
    async begin({ world, victim }) {
      const stopFailing = await failSyncs(world.broker(victim).pid, "one of each thread");
      return async () => {
        await stopFailing();
        if (world.canCutPower) {
          await world.powerOff([victim]);
          await world.powerOn([victim]);
        } else await restart({ world, victim });
      };
    },
  },
  {
    name: "bits flipped while it was down",
    damages: true,
    lastsMs: 500,
    servedMs: 2_000,
    backMs: BACK_MS,
    async begin({ world, victim, chance }) {
      await world.kill([victim]);
      for (const file of logFilesOf(world.dataFolder(victim))) flipBits(file, chance);
      return () => world.start([victim]);
    },
  },
  {
    name: "segments cut short while it was down",
    damages: true,
    lastsMs: 500,
    servedMs: 2_000,
    backMs: BACK_MS,
    async begin({ world, victim, chance }) {
      await world.kill([victim]);
      for (const file of logFilesOf(world.dataFolder(victim))) await truncateSegment(file, chance);
      return () => world.start([victim]);
    },
  },
  {
    name: "disk wiped",
    damages: true,
    lastsMs: 500,
    servedMs: 2_000,
    backMs: 10_000,
    async begin({ world, victim }) {
      await world.kill([victim]);
      await world.disk(victim).unmount();
      await world.disk(victim).format();
      await world.disk(victim).mount();
      return () => world.start([victim]);
    },
  },
];

async function restart({ world, victim }: Pick<Scene, "world" | "victim">): Promise<void> {
  await world.kill([victim]);
  await world.start([victim]);
}
