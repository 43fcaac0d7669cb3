/**
 * Ports for what differs between a real run and a simulated one. Nothing outside an adapter of these may
 * read the system's clock, draw randomness or set a timer; the linter enforces it.
 */

/** A timer that was set; cancelling it twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970, as the operating system believes. May jump, forwards and back. For timestamps only. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. For every duration and deadline. */
  monotonicMs(): number;
  /** Calls `run` once, `delayMs` from now. A pending timer does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` every `periodMs` until cancelled. A pending timer does not keep the process alive. */
  every(periodMs: number, run: () => void): Timer;
  /** Calls `run` after the current turn's IO, before any timer. */
  soon(run: () => void): void;
}

export interface Random {
  /** A whole number, `0 <= n < bound`, `bound` at most 2^32. */
  below(bound: number): number;
  /** A version 4 UUID. */
  uuid(): string;
}

/** A logger as the parts see it: an event's name and its fields; `observe/` makes lines of it. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}
