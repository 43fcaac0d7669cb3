/** What every adapter of the log port promises; run by `segmented-log.test.ts` and `memory-log.test.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frame } from "../../src/base/frame.js";
import { frameBytes } from "../../src/base/frame-codec.js";
import { logIndex, offset, term } from "../../src/base/ids.js";
import type { LogPosition } from "../../src/consensus/types.js";
import type { Log, LogCallbacks, LogSettings } from "../../src/storage/log.js";
import { frame, frames } from "../support/frames.js";

export const contractSettings: LogSettings = { segmentBytes: 2_000, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1_000 };

export interface ContractLog {
  readonly log: Log;
  /** Moves what `segmentAgeMs` is measured against. */
  advance(ms: number): void;
  /** Lets time pass until what is synced can be dropped; at once where that is so anyway. */
  rest?(): Promise<void>;
}
/** Opens an empty log, closed and removed after the test. */
export type OpenContractLog = (callbacks: LogCallbacks, settings: LogSettings) => Promise<ContractLog>;

interface Opened extends ContractLog {
  readonly synced: LogPosition[];
  /** Resolves when everything appended is reported as synced. */
  settled(): Promise<void>;
}

async function open(openLog: OpenContractLog, settings: Partial<LogSettings> = {}): Promise<Opened> {
  const synced: LogPosition[] = [];
  let wake: (() => void) | undefined;
  const callbacks: LogCallbacks = {
    onSynced: (last) => {
      synced.push(last);
      wake?.();
    },
    onFailed: (error) => assert.fail(error),
  };
  const { log, advance, rest } = await openLog(callbacks, { ...contractSettings, ...settings });
  const settled = async (): Promise<void> => {
    while (log.syncedIndex < log.lastIndex) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { log, advance, ...(rest && { rest }), synced, settled };
}

const indexes = (read: readonly Frame[] | undefined): number[] | undefined => read?.map((each) => each.index);
const readAll = async (log: Log): Promise<Frame[]> => {
  const found: Frame[] = [];
  for (let next = log.logStart.index + 1; next <= log.lastIndex; next = (found.at(-1)?.index ?? next) + 1) {
    found.push(...(await log.read(logIndex(next), log.lastIndex, 1_000)));
  }
  return found;
};

export function logContract(name: string, openLog: OpenContractLog): void {
  appending(name, openLog);
  reading(name, openLog);
  finding(name, openLog);
  truncating(name, openLog);
  dropping(name, openLog);
}

function appending(name: string, openLog: OpenContractLog): void {
  test(`${name}: an empty log begins at zero`, async () => {
    const { log } = await open(openLog);
    assert.deepEqual([log.logStart, log.lastIndex, log.syncedIndex, log.startOffset, log.endOffset], [{ index: 0, term: 0 }, 0, 0, 0, 0]);
    assert.deepEqual([log.termRuns, log.segments(), log.doubt, log.termAt(logIndex(0)), log.termAt(logIndex(1))], [[], [], undefined, 0, undefined]);
  });

  test(`${name}: what is appended is readable at once and reported as synced later, in order, to the last`, async () => {
    const { log, synced, settled } = await open(openLog);
    log.append(frames(1, 3));
    assert.deepEqual(indexes(log.readCached(logIndex(1), logIndex(3), 10_000)), [1, 2, 3]);
    assert.deepEqual([log.lastIndex, log.endOffset, log.syncedIndex, synced], [3, 3, 0, []]);
    log.append(frames(4, 5, { term: 2 }));
    await settled();
    assert.deepEqual(synced.at(-1), { index: 5, term: 2 });
    assert.deepEqual(
      synced.map((last) => last.index),
      synced.map((last) => last.index).sort((a, b) => a - b),
    );
    assert.deepEqual(await readAll(log), [...frames(1, 3), ...frames(4, 5, { term: 2 })]);
  });

  test(`${name}: a gap, an older term and a wrong offset are our bug`, async () => {
    const { log } = await open(openLog);
    log.append(frames(1, 2, { term: 3 }));
    assert.throws(() => log.append(frames(4, 4, { term: 3 })), { name: "InvariantError" });
    assert.throws(() => log.append(frames(3, 3, { term: 2 })), { name: "InvariantError" });
    assert.throws(() => log.append(frames(3, 3, { term: 3, baseOffset: 7 })), { name: "InvariantError" });
  });

  test(`${name}: terms are known for every entry and for the start`, async () => {
    const { log } = await open(openLog);
    log.append([...frames(1, 2), ...frames(3, 3, { term: 4 }), ...frames(4, 6, { term: 9 })]);
    assert.deepEqual(log.termRuns, [
      { term: 1, first: 1 },
      { term: 4, first: 3 },
      { term: 9, first: 4 },
    ]);
    assert.deepEqual(
      [0, 1, 2, 3, 4, 6, 7].map((index) => log.termAt(logIndex(index))),
      [0, 1, 1, 4, 9, 9, undefined],
    );
  });

  test(`${name}: a segment ends before the entry that does not fit, known as soon as that entry is appended`, async () => {
    const { log } = await open(openLog, { segmentBytes: 1_000 });
    log.append(frames(1, 4, { bodyBytes: 150 }));
    assert.deepEqual(
      log.segments().map((segment) => [segment.last, segment.endOffset, segment.maxTimestampMs]),
      [[{ index: 3, term: 1 }, 3, 1_003]],
    );
    log.append([frame({ index: 5, baseOffset: 4, body: Buffer.alloc(5_000) }), frame({ index: 6, baseOffset: 5 })]);
    assert.deepEqual(
      log.segments().map((segment) => segment.last.index),
      [3, 4, 5],
    );
  });

  test(`${name}: a segment ends when it is old, at the next append`, async () => {
    const { log, advance } = await open(openLog, { segmentAgeMs: 500 });
    log.append(frames(1, 1));
    advance(499);
    log.append(frames(2, 2));
    advance(1);
    assert.deepEqual(log.segments(), []);
    log.append(frames(3, 3));
    assert.deepEqual(
      log.segments().map((segment) => segment.last.index),
      [2],
    );
  });

  test(`${name}: new settings hold from the next append on`, async () => {
    const { log } = await open(openLog);
    log.append(frames(1, 2));
    log.configure({ ...contractSettings, segmentBytes: 200 });
    log.append(frames(3, 4));
    assert.deepEqual(
      log.segments().map((segment) => segment.last.index),
      [2, 3],
    );
  });
}

function reading(name: string, openLog: OpenContractLog): void {
  test(`${name}: a read returns what fits, at least one entry, nothing beyond the limit`, async () => {
    const { log, settled } = await open(openLog);
    const written = frames(1, 60, { bodyBytes: 100 });
    log.append(written);
    await settled();
    const bytes = frameBytes(written[0] ?? frame({ index: 1, baseOffset: 0 }));
    assert.deepEqual(indexes(await log.read(logIndex(7), logIndex(60), 3 * bytes)), [7, 8, 9]);
    assert.deepEqual(indexes(await log.read(logIndex(7), logIndex(60), 3 * bytes - 1)), [7, 8]);
    assert.deepEqual(indexes(await log.read(logIndex(7), logIndex(60), 0)), [7]);
    assert.deepEqual(indexes(await log.read(logIndex(59), logIndex(99), 9_000)), [59, 60]);
    assert.deepEqual(indexes(await log.read(logIndex(5), logIndex(5), 9_000)), [5]);
    assert.deepEqual(indexes(await log.read(logIndex(61), logIndex(99), 9_000)), []);
    assert.deepEqual(await log.read(logIndex(1), logIndex(60), 100 * bytes), written);
  });

  test(`${name}: an entry larger than what is asked for, at the end of a segment, is read alone`, async () => {
    const { log, settled } = await open(openLog);
    const written = frames(1, 3, { bodyBytes: 100_000 });
    log.append(written);
    await settled();
    assert.deepEqual(await log.read(logIndex(1), logIndex(3), 10), written.slice(0, 1));
    assert.deepEqual(await log.read(logIndex(2), logIndex(3), 150_000), written.slice(1, 2));
  });

  test(`${name}: reading goes on while the end is being written`, async () => {
    const { log, settled } = await open(openLog);
    for (let index = 1; index <= 200; index += 2) {
      log.append(frames(index, index + 1));
      const from = Math.max(1, index - 30);
      assert.deepEqual(await log.read(logIndex(from), log.lastIndex, 100_000), frames(from, index + 1));
    }
    await settled();
    assert.deepEqual(await readAll(log), frames(1, 200));
  });
}

function finding(name: string, openLog: OpenContractLog): void {
  const mixed = (): Frame[] => {
    const made: Frame[] = [];
    let at = 0;
    for (let index = 1; index <= 80; index++) {
      const records = index % 4 === 0 ? 0 : (index % 3) + 1;
      made.push(frame({ index, baseOffset: at, records, timestampMs: 1_000 + 10 * index - (index % 5) * 15 }));
      at += records;
    }
    return made;
  };

  test(`${name}: every offset is found in the entry that holds it`, async () => {
    const { log, settled } = await open(openLog);
    const written = mixed();
    log.append(written);
    await settled();
    for (let at = 0; at < log.endOffset; at++) {
      const holder = written.find((each) => each.baseOffset <= at && at < each.baseOffset + each.batch.recordCount);
      assert.equal(await log.indexOfOffset(offset(at)), holder?.index);
    }
    await assert.rejects(log.indexOfOffset(log.endOffset), { name: "InvariantError" });
  });

  test(`${name}: a timestamp finds the first batch that is as late, or nothing`, async () => {
    const { log, settled } = await open(openLog);
    const written = mixed();
    log.append(written.slice(0, 50));
    await settled();
    log.append(written.slice(50));
    for (let timestampMs = 950; timestampMs < 1_820; timestampMs += 7) {
      const first = written.find((each) => each.batch.recordCount > 0 && each.batch.maxTimestampMs >= timestampMs);
      assert.deepEqual(await log.findTimestamp(timestampMs), first && { index: first.index, baseOffset: first.baseOffset });
    }
  });
}

function truncating(name: string, openLog: OpenContractLog): void {
  test(`${name}: truncated entries are gone at once and what follows takes their place`, async () => {
    const { log, settled } = await open(openLog);
    log.append(frames(1, 40));
    await settled();
    log.truncate(logIndex(15));
    assert.deepEqual([log.lastIndex, log.endOffset, log.syncedIndex, log.termAt(logIndex(15))], [14, 14, 14, undefined]);
    log.append(frames(15, 30, { term: 2 }));
    assert.deepEqual(await readAll(log), [...frames(1, 14), ...frames(15, 30, { term: 2 })]);
    await settled();
    assert.deepEqual(await readAll(log), [...frames(1, 14), ...frames(15, 30, { term: 2 })]);
    assert.deepEqual(log.termRuns, [
      { term: 1, first: 1 },
      { term: 2, first: 15 },
    ]);
    log.truncate(logIndex(31));
    assert.equal(log.lastIndex, 30);
  });

  test(`${name}: entries truncated before they were synced are never reported`, async () => {
    const { log, synced, settled } = await open(openLog);
    log.append(frames(1, 10));
    log.truncate(logIndex(4));
    log.append(frames(4, 5, { term: 7 }));
    log.truncate(logIndex(5));
    log.append(frames(5, 6, { term: 8 }));
    await settled();
    assert.equal(log.syncedIndex, 6);
    for (const last of synced) assert.equal(last.term, last.index >= 5 ? 8 : last.index === 4 ? 7 : 1);
    assert.deepEqual(await readAll(log), [...frames(1, 3), ...frames(4, 4, { term: 7 }), ...frames(5, 6, { term: 8 })]);
  });

  test(`${name}: a truncation to the very start leaves an empty log that goes on`, async () => {
    const { log, settled } = await open(openLog);
    log.append(frames(1, 30));
    await settled();
    log.truncate(logIndex(1));
    assert.deepEqual([log.lastIndex, log.endOffset, log.segments(), log.termRuns], [0, 0, [], []]);
    log.append(frames(1, 2, { term: 5 }));
    await settled();
    assert.deepEqual(await readAll(log), frames(1, 2, { term: 5 }));
    assert.throws(() => log.truncate(logIndex(0)), { name: "InvariantError" });
  });
}

function dropping(name: string, openLog: OpenContractLog): void {
  test(`${name}: whole segments go, and the log begins where they end`, async () => {
    const { log, settled, rest } = await open(openLog, { segmentBytes: 600 });
    log.append([...frames(1, 9), ...frames(10, 30, { term: 2 })]);
    await settled();
    await rest?.();
    const ends = log.segments().map((segment) => segment.last.index);
    const end = ends[4] ?? assert.fail("five segments");
    const bytes = log.bytes;
    assert.deepEqual(await log.dropThrough(logIndex(end + 1)), { index: end, term: 2 });
    assert.deepEqual([log.logStart, log.startOffset, log.termAt(end), log.termAt(logIndex(end - 1))], [{ index: end, term: 2 }, end, 2, undefined]);
    assert.ok(log.bytes < bytes);
    assert.deepEqual(log.termRuns, [{ term: 2, first: end + 1 }]);
    assert.deepEqual(await readAll(log), frames(end + 1, 30, { term: 2 }));
    await assert.rejects(async () => log.read(end, logIndex(30), 100), { reason: "OFFSET_OUT_OF_RANGE" });
    await assert.rejects(log.indexOfOffset(offset(log.startOffset - 1)), { reason: "OFFSET_OUT_OF_RANGE" });
    await log.dropThrough(logIndex(30));
    assert.ok(log.logStart.index < 30);
    assert.deepEqual(indexes(await readAll(log))?.at(-1), 30);
  });

  test(`${name}: a reset begins anew after the position given`, async () => {
    const { log, settled } = await open(openLog);
    log.append(frames(1, 20));
    await log.reset({ index: logIndex(100), term: term(4) }, offset(70));
    assert.deepEqual([log.logStart, log.lastIndex, log.syncedIndex, log.startOffset, log.endOffset], [{ index: 100, term: 4 }, 100, 100, 70, 70]);
    assert.equal(log.termAt(logIndex(100)), 4);
    log.append(frames(101, 130, { term: 4, baseOffset: 70 }));
    await settled();
    assert.deepEqual(await readAll(log), frames(101, 130, { term: 4, baseOffset: 70 }));
    assert.equal(await log.indexOfOffset(offset(75)), 106);
  });

  test(`${name}: closing twice is closing once, and nothing is accepted afterwards`, async () => {
    const { log } = await open(openLog);
    log.append(frames(1, 3));
    await log.close();
    await log.close();
    assert.throws(() => log.append(frames(4, 4)), { reason: "SHUTTING_DOWN" });
  });
}
