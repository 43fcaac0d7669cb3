import type { Fault, Scene } from "./fault.js";
import { CLIENTS } from "./network.js";

const LASTS_MS = 4_000;
const SERVED_MS = 4_000;
const BACK_MS = 5_000;

/** Cables that are pulled, and packets that are lost in one direction or both. */
export const networkFaults: readonly Fault[] = [
  {
    name: "cut off from everybody",
    lastsMs: LASTS_MS,
    servedMs: SERVED_MS,
    backMs: BACK_MS,
    async begin({ world, victim }) {
      await world.network.unplug(victim);
      return () => world.network.heal();
    },
  },
  {
    name: "cut off from the brokers, not from clients",
    lastsMs: LASTS_MS,
    servedMs: SERVED_MS,
    backMs: BACK_MS,
    async begin({ world, victim }) {
      await world.network.separate([victim], world.others(victim));
      return () => world.network.heal();
    },
  },
  {
    name: "split: a minority with the clients' reach",
    brokersMin: 4,
    lastsMs: LASTS_MS,
    servedMs: SERVED_MS,
    backMs: BACK_MS,
    async begin(scene) {
      const [one, other] = halves(scene);
      await scene.world.network.separate(one, other);
      return () => scene.world.network.heal();
    },
  },
  {
    name: "one-way: hears the brokers, is not heard",
    lastsMs: LASTS_MS,
    servedMs: SERVED_MS,
    backMs: BACK_MS,
    async begin({ world, victim }) {
      await Promise.all(world.others(victim).map((other) => world.network.block(victim, other)));
      return () => world.network.heal();
    },
  },
  {
    name: "one-way: is heard, hears nobody",
    lastsMs: LASTS_MS,
    servedMs: SERVED_MS,
    backMs: BACK_MS,
    async begin({ world, victim }) {
      await Promise.all([...world.others(victim), CLIENTS].map((other) => world.network.block(other, victim)));
      return () => world.network.heal();
    },
  },
  {
    name: "ring: each reaches its neighbours only",
    brokersMin: 4,
    lastsMs: LASTS_MS,
    servedMs: SERVED_MS,
    backMs: BACK_MS,
    async begin({ world }) {
      const { nodeIds } = world;
      const isNeighbour = (one: number, other: number): boolean => [1, nodeIds.length - 1].includes(Math.abs(one - other));
      const blocks = nodeIds.flatMap((one) => world.others(one).flatMap((other) => (isNeighbour(one, other) ? [] : [world.network.block(one, other)])));
      await Promise.all(blocks);
      return () => world.network.heal();
    },
  },
  {
    name: "one link of the leader's gone",
    lastsMs: LASTS_MS,
    servedMs: SERVED_MS,
    backMs: BACK_MS,
    async begin({ world, victim, chance }) {
      await world.network.separate([victim], [chance.pick(world.others(victim)) ?? victim]);
      return () => world.network.heal();
    },
  },
];

/** A minority with the victim in it, and the rest. */
function halves({ world, victim }: Scene): readonly [number[], number[]] {
  const minority = [victim, ...world.others(victim)].slice(0, Math.ceil(world.nodeIds.length / 2) - 1);
  return [minority, world.others(...minority)];
}
