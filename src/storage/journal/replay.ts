/** What a log takes from the journal when it is opened; pure. README.md has the argument. */
import { endOffsetOf, type Frame } from "../../base/frame.js";
import { indexPlus, type LogIndex } from "../../base/ids.js";
import type { Doubt } from "../../consensus/types.js";
import type { LogState } from "../log-state.js";
import { mergeDoubts } from "../recovery.js";

/** What the journal holds of one log, or does not know whether it held. */
export interface JournalTail {
  /** In the order in which they were written. */
  readonly parts: readonly { readonly group: number; readonly frames: readonly Frame[] }[];
  /** Groups that may have held more of this log, and cannot be read. */
  readonly lost: readonly { readonly kind: Doubt["kind"]; readonly group: number; readonly through: LogIndex | undefined }[];
}

export interface Replay {
  /** They follow the log's last entry. */
  readonly frames: readonly Frame[];
  readonly doubt: Doubt | undefined;
}

/**
 * Which of the journal's entries the log lacks.
 *
 * @param voidThrough of groups through this number nothing is wanted: the log was cut, or made, after them
 */
export function replayOf(log: Pick<LogState, "lastIndex" | "lastTerm" | "endOffset" | "logStart" | "termAt">, tail: JournalTail, voidThrough: number): Replay {
  const frames: Frame[] = [];
  let next = indexPlus(log.lastIndex, 1);
  let { lastTerm, endOffset } = log;
  for (const part of tail.parts) {
    if (part.group <= voidThrough) continue;
    for (const frame of part.frames) {
      if (frame.index < next) {
        // Once here is once there: since the last cut there was one history.
        const known = frames[frame.index - log.lastIndex - 1]?.term ?? log.termAt(frame.index);
        if (frame.index > log.logStart.index && known !== frame.term) return damaged(frames, frame.index);
        continue;
      }
      if (frame.index > next || frame.term < lastTerm || frame.baseOffset !== endOffset) return damaged(frames, next);
      frames.push(frame);
      next = indexPlus(next, 1);
      lastTerm = frame.term;
      endOffset = endOffsetOf(frame);
    }
  }
  const missed = tail.lost.filter(({ group, through }) => group > voidThrough && (through === undefined || through >= next));
  const doubt = missed.map(({ kind }): Doubt => ({ kind, from: next })).reduce<Doubt | undefined>(mergeDoubts, undefined);
  return { frames, doubt };
}

/** What was synced before these entries is in neither place. */
const damaged = (frames: readonly Frame[], from: LogIndex): Replay => ({ frames, doubt: { kind: "damaged", from } });
