import { QuireError } from "../base/errors.js";

const CAUSES_MAX = 4;

/**
 * Any throwable in one line, causes included: `NOT_LEADER: broker 1 does not lead orders/0`. What is not an answer to a
 * user may be our bug, so it also says where it was thrown.
 */
export function describeError(thrown: unknown): string {
  const parts: string[] = [];
  let at = thrown;
  while (at !== undefined && at !== null && parts.length < CAUSES_MAX) {
    parts.push(describeOne(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join("; because: ").replace(/\s*\n\s*/g, " / ");
}

function describeOne(thrown: unknown): string {
  if (thrown instanceof QuireError) return `${thrown.reason}: ${thrown.message}`;
  if (!(thrown instanceof Error)) return String(thrown);
  const place = thrown.stack?.split("\n").find((line) => line.trimStart().startsWith("at "));
  return `${thrown.name}: ${thrown.message}${place === undefined ? "" : ` (${place.trim()})`}`;
}
