import { KIB, limits, MIB } from "./limits.js";
import type { NumberBounds } from "./number-bounds.js";

const SECOND_MS = 1_000;
const CENTURY_MS = 100 * 365 * 86_400_000;

/** Bounds of every number among a topic's settings, for whoever gives one: a request, or the settings of a broker. */
export const topicBounds = {
  retentionMs: { min: SECOND_MS, max: CENTURY_MS, zero: true },
  retentionBytes: { min: MIB, max: 2 ** 50, zero: true },
  segmentBytes: { min: MIB, max: KIB * MIB },
  segmentAgeMs: { min: SECOND_MS, max: CENTURY_MS, zero: true },
  flushIntervalMs: { min: 1, max: 60 * SECOND_MS },
  batchBytesMax: { min: KIB, max: limits.batchBytes },
} as const satisfies Readonly<Record<string, NumberBounds>>;
