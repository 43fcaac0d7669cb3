/** Real logs and replicas as the checkers are told of them. */
import { crc32 } from "node:zlib";
import { EntryKind } from "../../../src/base/entry-kind.js";
import { endOffsetOf, type Frame } from "../../../src/base/frame.js";
import { indexPlus, type LogIndex, logIndex, type ReplicaId } from "../../../src/base/ids.js";

import { decodeProducersEntry } from "../../../src/base/producers-entry.js";
import { decodeTrimEntry } from "../../../src/base/trim-entry.js";
import type { LogPosition } from "../../../src/consensus/types.js";
import type { LocalReplica } from "../../../src/replica/replica.js";
import type { Log } from "../../../src/storage/log.js";
import type { DurableEntries } from "./durable-entries.js";
import { mixed } from "./known-entries.js";
import type { EntryFacts, FinalReplica } from "./observations.js";
import type { PartitionChecker } from "./partition-checker.js";

const READ_BYTES = 1 << 20;

export interface LogWatch {
  readonly id: ReplicaId;
  readonly checker: PartitionChecker;
  /** False once its process is gone: what that still does to the log reaches no disk. */
  readonly isOn: () => boolean;
  readonly isLeader: () => boolean;
  /** Looks at the replicas of the set: what allows a cut or an installation may be of the same event. */
  readonly look: () => void;
  /** Where it is asked what is on disk, rather than the log. */
  readonly durable?: DurableEntries;
}

/** Wraps the methods of this log, so that the checker is told of every change once, also of one whose process dies within the call. */
export function watchLog(log: Log, { id, checker, isOn, isLeader, look, durable }: LogWatch): void {
  const { append, truncate, dropThrough, reset } = log;
  log.append = (frames) => {
    const wasOn = isOn();
    append.call(log, frames);
    durable?.appended(frames);
    if (wasOn) checker.appended(id, frames.map(factsOf));
  };
  log.truncate = (from) => {
    const wasOn = isOn();
    truncate.call(log, from);
    durable?.truncated(from);
    if (wasOn) checker.truncated(id, from, isLeader());
  };
  log.dropThrough = (through) => {
    const before = log.logStart.index;
    const done = dropThrough.call(log, through);
    if (isOn() && log.logStart.index > before) {
      look();
      checker.cut(id, log.logStart);
    }
    return done;
  };
  log.reset = (start, startOffset) => {
    const done = reset.call(log, start, startOffset);
    durable?.truncated(logIndex(0));
    if (isOn()) {
      look();
      checker.reset(id, start, isLeader());
    }
    return done.then(() => {
      if (isOn()) checker.synced(id, start);
    });
  };
}

/** The body's checksum is computed anew: a header may say anything. */
export function factsOf(frame: Frame): EntryFacts {
  const { index, term: inTerm, kind, baseOffset, batch, body } = frame;
  const bodyCrc32 = crc32(body);
  const { recordCount, compression, baseTimestampMs, maxTimestampMs, producerId, producerEpoch, baseSequence, priority, uncompressedBytes } = batch;
  let digest = mixed(bodyCrc32, kind);
  digest = mixed(digest, baseOffset);
  digest = mixed(digest, recordCount);
  digest = mixed(digest, compression);
  digest = mixed(digest, baseTimestampMs);
  digest = mixed(digest, maxTimestampMs);
  digest = mixed(digest, producerId);
  digest = mixed(digest, producerEpoch);
  digest = mixed(digest, baseSequence);
  digest = mixed(digest, priority);
  digest = mixed(digest, uncompressedBytes);
  digest = mixed(digest, body.length);
  const trimsBefore = kind === EntryKind.trim ? decodeTrimEntry(body) : undefined;
  const forgets = kind === EntryKind.producers ? decodeProducersEntry(body).forgotten : undefined;
  const isOfProducer = producerId !== 0 && trimsBefore === undefined && forgets === undefined;
  const producer = isOfProducer ? { id: producerId, epoch: producerEpoch, baseSequence } : undefined;
  return { index, term: inTerm, kind, baseOffset, endOffset: endOffsetOf(frame), digest, bodyCrc32, trimsBefore, producer, forgets };
}

/** A replica at the end, with all that its log gives. */
export async function finalReplica(replica: LocalReplica): Promise<FinalReplica> {
  const { log, replicaId, role, term: inTerm, commitIndex, appliedIndex, highWatermark, serving, configuration, failure } = replica;
  const { lastIndex } = log;
  const { start, entries } = await entriesThrough(lastIndex, log);
  const isInDoubt = log.doubt !== undefined;
  return {
    replicaId,
    role,
    term: inTerm,
    commitIndex,
    appliedIndex,
    highWatermark,
    serving,
    configuration,
    failure,
    isInDoubt,
    start,
    lastIndex,
    entries,
    matchOf: (id) => replica.matchOf(id),
  };
}

/** Read anew when the log's beginning goes meanwhile: a cut may still be under way. */
async function entriesThrough(last: LogIndex, log: LocalReplica["log"]): Promise<{ start: LogPosition; entries: EntryFacts[] }> {
  for (;;) {
    const start = log.logStart;
    const entries: EntryFacts[] = [];
    try {
      for (let next = indexPlus(start.index, 1); next <= last; next = indexPlus(start.index, entries.length + 1)) {
        for (const frame of await log.read(next, last, READ_BYTES)) entries.push(factsOf(frame));
      }
      return { start, entries };
    } catch (error) {
      if (log.logStart.index === start.index) throw error;
    }
  }
}
