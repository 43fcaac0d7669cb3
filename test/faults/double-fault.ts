import { setTimeout as sleep } from "node:timers/promises";
import type { SeededRandom } from "../consensus/seeded-random.js";
import type { Fault } from "./fault.js";

const ONE_IN = 3;
const BACK_MS = 12_000;
const APART_MS_MAX = 2_000;

/** Any of them; now and then two, one while the other lasts. */
export function pickFault(faults: readonly Fault[], chance: SeededRandom): Fault | undefined {
  const one = chance.pick(faults);
  if (one === undefined || !chance.oneIn(ONE_IN)) return one;
  // Only of those that leave a majority when they are alone, and not two that take a copy each.
  const second = chance.pick(faults.filter((fault) => fault.servedMs !== undefined && !(fault.damages && one.damages)));
  return second === undefined || one.servedMs === undefined ? one : doubleFault(one, second);
}

/** A quorum of some partitions may be gone meanwhile, so nothing is promised before both have ended. */
function doubleFault(first: Fault, second: Fault): Fault {
  return {
    name: `${first.name} + ${second.name}`,
    lastsMs: (first.lastsMs + second.lastsMs) / 2,
    backMs: BACK_MS,
    async begin({ world, victim, chance }) {
      const other = chance.pick(world.others(victim)) ?? victim;
      const healFirst = await first.begin({ world, victim, chance });
      await sleep(chance.below(APART_MS_MAX));
      const healSecond = await second.begin({ world, victim: other, chance });
      return async () => {
        // At once: a broker may need the others to start.
        await Promise.all([healFirst(), healSecond()]);
      };
    },
  };
}
