/** Begins partitions: fences their former owners, and finds where to go on. */
import { QuireError, toQuireError } from "../../base/errors.js";
import { limits } from "../../base/limits.js";
import type { OffsetFetchAnswer } from "../../wire/group-messages.js";
import type { PositionMessage } from "../../wire/messages.js";
import { groupService } from "../../wire/services.js";
import { fromStatus } from "../../wire/status.js";
import type { Metadata } from "../metadata.js";
import type { ClientOptions } from "../options.js";
import { type ClientPorts, pause } from "../ports.js";
import { atOffset, earliest } from "../read-positions.js";
import { retryDelayMs } from "../retry.js";
import type { OwnedPlace } from "./committer.js";

/** One of so many failures in a row is a warning. */
const FAILURES_TOLD = 20;

export interface ClaimParts {
  readonly group: string;
  readonly memberId: string;
  readonly from: "earliest" | "latest";
  readonly options: ClientOptions;
  readonly ports: ClientPorts;
  readonly metadata: Metadata;
}

/** Where a partition begins. */
export interface Begin {
  readonly at: PositionMessage;
  /** As committed; -1 for nothing. */
  readonly committed: number;
  /** To be committed before anything else, so that the next owner begins there too; -1 for nothing. */
  readonly fix: number;
  readonly highWatermark: number;
}

/** What became of claims, one partition at a time. */
export interface ClaimOutcome<Place> {
  begin(place: Place, begin: Begin): void;
  /** Others own it already, or it is gone. */
  lost(place: Place, why: QuireError): void;
}

/** Asks until each of the places has its outcome, or `isWanted` says that nobody waits for it, or `signal` aborts. */
export async function claim<Place extends OwnedPlace>(
  parts: ClaimParts,
  places: readonly Place[],
  isWanted: (place: Place) => boolean,
  outcome: ClaimOutcome<Place>,
  signal: AbortSignal,
): Promise<void> {
  const { options, ports } = parts;
  let waiting = places.filter(isWanted);
  for (let failures = 0; waiting.length > 0 && !signal.aborted; ) {
    const asked = waiting.slice(0, limits.offsetsPerRequest);
    const again: Place[] = [];
    let failure: QuireError | undefined;
    try {
      const answers = await ask(parts, asked, signal);
      for (const [at, place] of asked.entries()) {
        const error = settle(parts, place, answers[at], outcome);
        if (error === undefined) continue;
        again.push(place);
        failure = error;
      }
    } catch (thrown) {
      failure = toQuireError(thrown);
      again.push(...asked);
    }
    waiting = [...waiting.slice(asked.length), ...again].filter(isWanted);
    failures = failure === undefined ? 0 : failures + 1;
    if (failure === undefined || signal.aborted) continue;
    const what = { group: parts.group, partitions: again.length, failures, error: failure };
    if (failures % FAILURES_TOLD === 0) options.logger.warn(what, "partitions cannot be begun; their offsets are asked for again");
    else options.logger.debug(what, "offsets are asked for again");
    await pause(ports.clock, retryDelayMs(failures, options, ports.random, failure), signal);
  }
}

async function ask({ group, memberId, metadata }: ClaimParts, places: readonly OwnedPlace[], signal: AbortSignal): Promise<readonly OffsetFetchAnswer[]> {
  const fetches = places.map(({ topic, partition, generation }) => ({ topic, partition, generation }));
  const { answers } = await metadata.calls.call(groupService.FetchOffsets, { group, memberId, fetches }, { signal });
  if (answers.length === places.length) return answers;
  throw new QuireError("INTERNAL", `the broker answered ${answers.length} of ${places.length} questions about offsets`);
}

/** Returns why it has to be asked again, if so. */
function settle<Place extends OwnedPlace>(
  parts: ClaimParts,
  place: Place,
  answer: OffsetFetchAnswer | undefined,
  outcome: ClaimOutcome<Place>,
): QuireError | undefined {
  if (answer === undefined) return undefined;
  const { metadata } = parts;
  if (answer.leader !== null) metadata.hint(place.topic, place.partition, answer.leader);
  if (answer.error === null) {
    outcome.begin(place, beginAt(parts, place, answer));
    return undefined;
  }
  const error = fromStatus(answer.error);
  if (error.retry !== "never") return error;
  outcome.lost(place, error);
  return undefined;
}

function beginAt({ from, group, options }: ClaimParts, { topic, partition }: OwnedPlace, answer: OffsetFetchAnswer): Begin {
  const { highWatermark, logStartOffset } = answer;
  // By name: the decoder adds names of its own for optional fields.
  const committed = answer.offset;
  if (committed !== undefined && committed >= logStartOffset) return { at: atOffset(committed), committed, fix: -1, highWatermark };
  if (committed !== undefined) {
    options.logger.warn({ group, topic, partition, committed, logStartOffset, from }, "records that were not processed are gone: going on without them");
  }
  if (from === "earliest") return { at: earliest, committed: committed ?? -1, fix: -1, highWatermark };
  return { at: atOffset(highWatermark), committed: committed ?? -1, fix: highWatermark, highWatermark };
}
