/** When to try again, and how long to wait first. Pure: the caller brings errors, attempts and randomness. */
import { unreachable } from "../base/assert.js";
import type { QuireError } from "../base/errors.js";
import type { Random } from "../base/ports.js";

export interface DelayBounds {
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

/**
 * The pause before attempt `attempt + 1`: doubles from the smallest to the largest, its second half random ("equal jitter",
 * M. Brooker, Exponential Backoff and Jitter, 2015), so that many clients do not come back at once. A longer wish of the broker's is
 * heeded, up to ten times the largest.
 *
 * @param attempt failures in a row, from 1
 * @returns whole milliseconds
 */
export function retryDelayMs(attempt: number, bounds: DelayBounds, random: Random, error?: QuireError): number {
  const ceiling = Math.min(bounds.retryDelayMsMax, bounds.retryDelayMsMin * 2 ** Math.min(attempt - 1, 30));
  const half = Math.ceil(ceiling / 2);
  const drawn = half + random.below(ceiling - half + 1);
  return Math.max(drawn, Math.min(error?.retryAfterMs ?? 0, bounds.retryDelayMsMax * 10));
}

/**
 * What becomes of a write that failed: sent again; sent again with new sequences; rejected, certainly not written; rejected, perhaps written; or
 * rejected with everything after it.
 */
export type Verdict = "resend" | "renumber" | "reject" | "unknown" | "fenced";

/** What is known of the batch, earlier attempts included. */
export interface WriteFacts {
  /** Of an idempotent producer. */
  readonly stamp: object | undefined;
  /** Whether its epoch is the newest that this client has begun in the partition. */
  readonly isCurrent: boolean;
  /** An earlier attempt may have been written. */
  readonly outcomeUnknown: boolean;
  readonly retryUnknown: boolean;
}

/** Nothing appended: send again. Unknown: if it carries a sequence, or the user accepts duplicates. All else: the user's to know. */
export function verdictOnWrite(error: QuireError, facts: WriteFacts): Verdict {
  const { retry } = error;
  switch (retry) {
    case "never":
      return facts.stamp === undefined ? "reject" : verdictOnSequence(error, facts);
    case "refresh":
    case "wait":
      return "resend";
    case "idempotent":
      return facts.retryUnknown || facts.stamp !== undefined ? "resend" : "reject";
    default:
      return unreachable(retry);
  }
}

function verdictOnSequence({ reason }: QuireError, { isCurrent, outcomeUnknown }: WriteFacts): Verdict {
  switch (reason) {
    case "OUT_OF_ORDER_SEQUENCE":
      // Without an unknown attempt it is written nowhere, so it may be numbered anew. With one, that could write it twice.
      return outcomeUnknown ? "unknown" : "renumber";
    case "PRODUCER_FENCED":
      return isCurrent ? "fenced" : "unknown";
    case "DUPLICATE_SEQUENCE":
      return "unknown";
    default:
      return "reject";
  }
}

/** Whether a request that changes nothing may be sent again after `error`. */
export const mayRetryRead = (error: QuireError): boolean => error.retry !== "never";
