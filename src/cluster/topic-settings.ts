import { QuireError } from "../base/errors.js";
import { KIB, limits, MIB } from "../base/limits.js";
import type { TopicSettings } from "./view.js";

interface Bounds {
  readonly min: number;
  readonly max: number;
  /** 0 is allowed besides, and means "none". */
  readonly zero?: true;
}
const FOREVER_MS = 100 * 365 * 24 * 3_600_000;

/** Bounds of every number among a topic's settings. */
export const TOPIC_SETTING_BOUNDS = {
  retentionMs: { min: 1_000, max: FOREVER_MS, zero: true },
  retentionBytes: { min: MIB, max: Number.MAX_SAFE_INTEGER, zero: true },
  segmentBytes: { min: MIB, max: KIB * MIB },
  segmentAgeMs: { min: 1_000, max: FOREVER_MS, zero: true },
  flushIntervalMs: { min: 1, max: 60_000 },
  batchBytesMax: { min: KIB, max: limits.batchBytes },
} as const satisfies Readonly<Record<Exclude<keyof TopicSettings, "flush">, Bounds>>;

/** @throws QuireError INVALID_SETTING for a value out of bounds, and for a name that is none */
export function checkTopicSettings(settings: Partial<TopicSettings>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined) continue;
    if (name === "flush") {
      if (value !== "batch" && value !== "interval") throw invalid(name, `is ${JSON.stringify(value)}; it is "batch" or "interval"`);
    } else if (Object.hasOwn(TOPIC_SETTING_BOUNDS, name)) {
      checkBounds(name, value, TOPIC_SETTING_BOUNDS[name as keyof typeof TOPIC_SETTING_BOUNDS]);
    } else {
      throw invalid(name, "is no setting of a topic");
    }
  }
}

function checkBounds(name: string, value: unknown, { min, max, zero }: Bounds): void {
  if (Number.isSafeInteger(value) && ((value === 0 && zero) || ((value as number) >= min && (value as number) <= max))) return;
  throw invalid(name, `is ${String(value)}; it is a whole number from ${min} to ${max}${zero ? ", or 0 for none" : ""}`);
}

const invalid = (name: string, why: string): QuireError =>
  new QuireError("INVALID_SETTING", `settings.${name} ${why}`, { details: { setting: name }, fields: [{ field: `settings.${name}`, description: why }] });
