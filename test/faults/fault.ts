import type { SeededRandom } from "../consensus/seeded-random.js";
import type { World } from "./world.js";

/** What a fault may need besides namespaces and disks, and a machine may not have. */
export type Need = "power-cut" | "strace";

export interface Scene {
  readonly world: World;
  /** Leads some partition, so that what befalls it is felt. */
  readonly victim: number;
  readonly chance: SeededRandom;
}

/** Ends the fault. */
export type Heal = () => Promise<void>;

export interface Fault {
  readonly name: string;
  readonly needs?: Need;
  /** Fewer brokers would not notice it. */
  readonly brokersMin?: number;
  /** It takes what a disk held; one of N copies may go that way at a time. */
  readonly damages?: boolean;
  /** How long it lasts. */
  readonly lastsMs: number;
  /** Every partition acknowledges again within this time of its beginning, although it lasts. Left out where it takes a quorum away. */
  readonly servedMs?: number;
  /** The whole cluster serves again within this time of its end. */
  readonly backMs: number;
  begin(scene: Scene): Promise<Heal>;
}
