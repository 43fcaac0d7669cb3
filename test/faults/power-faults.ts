import type { Fault, Scene } from "./fault.js";

const needs = "power-cut" as const;
const OFF_MS = 1_000;
const BACK_MS = 6_000;

/** Power loss: what was not synced is gone, connections end without a word, and machines come back by their journals. */
export const powerFaults: readonly Fault[] = [
  {
    name: "power loss of one",
    needs,
    lastsMs: 3_000,
    servedMs: 4_000,
    backMs: BACK_MS,
    begin: (scene) => loseForAWhile(scene, [scene.victim]),
  },
  {
    name: "power loss of a majority",
    needs,
    lastsMs: OFF_MS,
    backMs: BACK_MS,
    begin: (scene) => loseForAWhile(scene, [scene.victim, ...scene.world.others(scene.victim)].slice(0, Math.floor(scene.world.nodeIds.length / 2) + 1)),
  },
  {
    name: "power loss of all",
    needs,
    lastsMs: OFF_MS,
    backMs: BACK_MS + 2_000,
    begin: (scene) => loseForAWhile(scene, scene.world.nodeIds),
  },
];

async function loseForAWhile({ world }: Scene, nodeIds: readonly number[]): Promise<() => Promise<void>> {
  await world.powerOff(nodeIds);
  return () => world.powerOn(nodeIds);
}
