/**
 * What a partition survives, from the rules of quorums alone: commit needs W, an election needs R, and a pre-vote needs
 * max(W, R), so that no one is elected who could not commit. Which brokers fail does not matter, only how many, and
 * whether the leader is among them.
 */
import type { QuorumSettings } from "../../base/quorum.js";

export type Flush = "batch" | "interval";

/** The most that may fail at once without the consequence; each is 0 to N. */
export interface Tolerance {
  /** Brokers down, the leader not among them, and writes go on. */
  readonly downForWrites: number;
  /** Brokers down, and a new leader is elected, which then writes. */
  readonly downForElections: number;
  /** Disks lost for good, and every acknowledged record is still on another. */
  readonly disksLost: number;
  /** Machines that lose power at the same moment, and every acknowledged record is on disk somewhere. N means: all may. */
  readonly powerLost: number;
}

export const tolerance = ({ n, w, r }: QuorumSettings, flush: Flush): Tolerance => ({
  downForWrites: n - w,
  downForElections: n - Math.max(w, r),
  disksLost: w - 1,
  powerLost: flush === "batch" ? n : w - 1,
});
