/** Metadata that marks a request as passed on by a broker; such a request is answered here or refused, never passed on again. */
export const FORWARDED_KEY = "quire-forwarded";

/** Deadlines of calls whose client set none, in milliseconds. */
export const defaultDeadlines = { metadataMs: 5_000, appendMs: 10_000, adminMs: 30_000 } as const;

/** What a handler knows of its call. */
export interface CallContext {
  /** Sent here by another broker: answer, and do not pass it on. */
  readonly forwarded: boolean;
  /** Aborted when the caller gave up, or the deadline is over. */
  readonly signal: AbortSignal;
  /** Milliseconds until the deadline, at least 0. */
  remainingMs(): number;
}
