/** A broken invariant: our bug, never the caller's. The process stops, because going on would lie. */
export class InvariantError extends Error {
  override name = "InvariantError";
}

/** States one invariant. `message` says what was expected, in words; it may be a function where building it costs. */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new InvariantError(typeof message === "string" ? message : message());
}

/** Ends every `switch` over a union, so that a new variant does not compile until it is handled. */
export function unreachable(value: never): never {
  throw new InvariantError(`unhandled variant: ${JSON.stringify(value)}`);
}

/** Asserts that an int64 from the wire or the disk fits a `number` exactly. */
export function assertSafeInteger(value: number, what: string): number {
  assert(Number.isSafeInteger(value), () => `${what} is ${value}, beyond what a number holds exactly`);
  return value;
}
