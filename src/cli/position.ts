import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { parseDuration } from "../config/units.js";

/** Where to begin to read, as the client takes it. */
export type From = "earliest" | "latest" | { readonly offset: number } | { readonly timestampMs: number };

/**
 * `earliest`, `latest`, an offset (`1200`), a time (`2026-01-31T08:00Z`, or `@1769846400000` in milliseconds since 1970) or an age (`15m`: as
 * of 15 minutes ago).
 *
 * @throws QuireError INVALID_FIELD
 */
export function parseFrom(text: string, nowMs: number, flag = "from"): From {
  if (text === "earliest" || text === "latest") return text;
  if (/^\d+$/.test(text)) {
    const offset = Number(text);
    if (Number.isSafeInteger(offset)) return { offset };
  } else if (/^@\d+$/.test(text)) {
    const timestampMs = Number(text.slice(1));
    if (timestampMs <= limits.timestampMsMax) return { timestampMs };
  } else {
    const age = /[a-z]$/.test(text) ? parseDuration(text) : undefined;
    if (age !== undefined) return { timestampMs: Math.max(0, nowMs - age) };
    const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
    if (time >= 0) return { timestampMs: time };
  }
  throw new QuireError(
    "INVALID_FIELD",
    `--${flag} ${text} is not earliest, latest, an offset, a time such as 2026-01-31T08:00Z or @1769846400000, or an age such as 15m`,
  );
}
