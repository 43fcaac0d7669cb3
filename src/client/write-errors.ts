/** What senders are told when their records were not, or perhaps not, written. */
import { QuireError } from "../base/errors.js";

interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** What became of a batch's earlier attempts. */
interface History {
  readonly outcomeUnknown: boolean;
  readonly lastError: QuireError | undefined;
}

export function unknownOutcome(at: Place, why: string, cause: QuireError | undefined): QuireError {
  const message = `whether records for ${at.topic}/${at.partition} were written is unknown: ${why}; read them back before sending again`;
  return new QuireError("WRITE_OUTCOME_UNKNOWN", message, { details: { topic: at.topic, partition: at.partition }, cause });
}

/** Earlier records were refused, then later ones of the same partition were taken. */
export function overtakenError(at: Place, { outcomeUnknown, lastError }: History): QuireError {
  const why = lastError?.message ?? "no answer";
  if (outcomeUnknown) return unknownOutcome(at, `records sent later were written first (${why})`, lastError);
  const message = `not written: ${at.topic}/${at.partition} refused these records (${why}) and then took later ones; sent now, they would be out of order`;
  return new QuireError("OUT_OF_ORDER_SEQUENCE", message, { details: { topic: at.topic, partition: at.partition }, cause: lastError });
}

export function bufferFull(deliveryTimeoutMs: number, bytes: number): QuireError {
  return new QuireError("BUFFER_FULL", `no room in the buffer within ${deliveryTimeoutMs} ms (deliveryTimeoutMs); ${bytes} bytes wait to be acknowledged`);
}

export interface DeadlineFacts {
  readonly inFlight: boolean;
  readonly deliveryTimeoutMs: number;
  /** Why the leader's connection last failed, if it did. */
  readonly linkError: QuireError | undefined;
}

/** Time is up. Certainly not written: the reason of the last failure. Else: outcome unknown. */
export function deadlineError(at: Place, { outcomeUnknown, lastError }: History, { inFlight, deliveryTimeoutMs, linkError }: DeadlineFacts): QuireError {
  const limit = `within ${deliveryTimeoutMs} ms (deliveryTimeoutMs)`;
  const last = lastError ?? linkError;
  if (inFlight || outcomeUnknown) return unknownOutcome(at, `no acknowledgement ${limit}`, last);
  const details = { topic: at.topic, partition: at.partition };
  if (last === undefined) return new QuireError("LEADER_UNKNOWN", `${at.topic}/${at.partition} had no leader that could be reached ${limit}`, { details });
  const message = `${at.topic}/${at.partition} took nothing ${limit}; last: ${last.message}`;
  return new QuireError(last.reason, message, { cause: last, details: { ...last.details, ...details } });
}
