import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { encodeFileHeader, JOURNAL_HEADER_BYTES, readGroup } from "../../../src/storage/journal/journal-codec.js";
import { type RecoveredJournal, recoverJournal } from "../../../src/storage/journal/recover-journal.js";
import type { JournalTail } from "../../../src/storage/journal/replay.js";
import { PatientFiles } from "../../../src/storage/patient-files.js";
import { FaultyFiles } from "../../support/faulty-files.js";
import { frames } from "../../support/frames.js";
import { hurriedClock } from "../../support/hurried-clock.js";
import { JOURNAL_FOLDER, recordOf } from "../../support/journal-disk.js";
import { groupBytes, journalPath, partOf, writeJournalFile } from "../../support/journal-files.js";

/** The broker's logs in these tests. */
const LOGS = [1, 2, 3];

const recover = (files: FaultyFiles, listed: readonly number[], { group = 0, logs = LOGS } = {}): Promise<RecoveredJournal> =>
  recoverJournal({ files: new PatientFiles(files, hurriedClock()), folder: JOURNAL_FOLDER, listed, group, replicas: logs.map(recordOf) });

type Loss = JournalTail["lost"][number];

/** The worst of what is lost, where several losses are of a log. */
function tailOf(recovered: RecoveredJournal, log: number): { parts: JournalTail["parts"]; lost: Loss | undefined } {
  const { parts, lost } = recovered.tailOf(recordOf(log));
  return { parts, lost: lost.find(({ kind }) => kind === "damaged") ?? lost[0] };
}

const lossesIn = (recovered: RecoveredJournal): (Loss | undefined)[] => LOGS.map((log) => tailOf(recovered, log).lost);
const DAMAGED = { kind: "damaged", group: Number.POSITIVE_INFINITY, through: undefined } as const;
const tornIn = (group: number, through?: number): unknown => ({ kind: "torn", group, through });

/** Log 1 has entries 1 to 5, log 2 entries 1 to 3. */
const groups = [
  groupBytes(11, [partOf(1, frames(1, 2)), partOf(2, frames(1, 1))]),
  groupBytes(12, [partOf(1, frames(3, 3))]),
  groupBytes(13, [partOf(2, frames(2, 3)), partOf(1, frames(4, 5))]),
];
const [first, second, third] = groups as [Buffer, Buffer, Buffer];
const tableEnd = (group: Buffer): number => readGroup(group, 0)?.bodyAt ?? assert.fail("a group");

/** A disk with these files, each of which follows the one before it. */
async function diskWith(...files: readonly (readonly Buffer[])[]): Promise<FaultyFiles> {
  const disk = new FaultyFiles();
  for (const [i, each] of files.entries()) await writeJournalFile(disk, { number: i + 1, follows: i }, each);
  return disk;
}

const spoiled = (group: Buffer, at: number): Buffer => {
  const bytes = Buffer.from(group);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
};

test("a whole journal gives each log its entries in order, and says which logs are in which file", async () => {
  const disk = await diskWith([first, second], [third]);
  const recovered = await recover(disk, [1, 2]);
  assert.deepEqual(tailOf(recovered, 1), {
    parts: [
      { group: 11, frames: frames(1, 2) },
      { group: 12, frames: frames(3, 3) },
      { group: 13, frames: frames(4, 5) },
    ],
    lost: undefined,
  });
  assert.deepEqual(
    tailOf(recovered, 2).parts.map((part) => part.group),
    [11, 13],
  );
  assert.deepEqual(tailOf(recovered, 3), { parts: [], lost: undefined });
  assert.equal(recovered.group, 13);
  assert.deepEqual(
    [1, 2].map((file) => [...(recovered.logsOf.get(file) ?? [])].sort()),
    [
      ["1-1", "2-2"],
      ["1-1", "2-2"],
    ],
  );
});

test("nothing listed is nothing lost, and the number of a group is at least the list's", async () => {
  const recovered = await recover(new FaultyFiles(), [], { group: 40 });
  assert.deepEqual([recovered.group, recovered.logsOf.size, lossesIn(recovered)], [40, 0, LOGS.map(() => undefined)]);
});

test("what a log settled is not asked of it again, and others still have theirs", async () => {
  const recovered = await recover(await diskWith([first, third.subarray(0, 40)]), [1]);
  recovered.settled("1-1");
  assert.deepEqual(tailOf(recovered, 1), { parts: [], lost: undefined });
  assert.deepEqual([...(recovered.logsOf.get(1) ?? [])].sort(), ["2-2", "3-3"]);
  assert.equal(tailOf(recovered, 2).parts.length, 1);
  assert.deepEqual(tailOf(recovered, 2).lost, tornIn(12));
});

test("a listed file that is missing is damage to all logs, whatever it held, and what the others hold is still there", async () => {
  for (const missing of [1, 2]) {
    const disk = await diskWith([first], [second]);
    disk.lose(journalPath(missing));
    const recovered = await recover(disk, [1, 2]);
    assert.deepEqual(
      lossesIn(recovered),
      LOGS.map(() => DAMAGED),
    );
    assert.deepEqual(
      tailOf(recovered, 1).parts.map((part) => part.group),
      missing === 1 ? [12] : [11],
    );
    assert.deepEqual([...(recovered.logsOf.get(missing) ?? [])], ["1-1", "2-2", "3-3"], "it stays listed until each of them has written that down");
  }
});

test("a file whose header is bad, or another file's, is damage to all logs", async () => {
  for (const header of [spoiled(encodeFileHeader({ number: 1, follows: 0 }), 9), encodeFileHeader({ number: 2, follows: 0 }), Buffer.alloc(0)]) {
    const disk = await diskWith([first]);
    disk.damage(journalPath(1), (bytes) => Buffer.concat([header, bytes.subarray(JOURNAL_HEADER_BYTES)]));
    assert.deepEqual(
      lossesIn(await recover(disk, [1])),
      LOGS.map(() => DAMAGED),
    );
  }
});

test("a file that cannot be read is damage to all logs, not a reason to stop", async () => {
  const disk = await diskWith([first], [second]);
  disk.fault = (operation, path) => (operation === "read" && path === journalPath(1) ? { code: "EIO" } : undefined);
  const recovered = await recover(disk, [1, 2]);
  assert.deepEqual(
    lossesIn(recovered),
    LOGS.map(() => DAMAGED),
  );
});

test("a last group whose table is whole puts those logs in doubt that are in it, through their last entries in it", async () => {
  for (const torn of [
    third.subarray(0, tableEnd(third)),
    third.subarray(0, third.length - 1),
    spoiled(third, third.length - 1),
    spoiled(third, tableEnd(third)),
  ]) {
    const recovered = await recover(await diskWith([first, second, torn]), [1]);
    assert.deepEqual(lossesIn(recovered), [tornIn(13, 5), tornIn(13, 3), undefined]);
    assert.equal(recovered.group, 13, "its number is not used again");
    assert.deepEqual(
      tailOf(recovered, 1).parts.map((part) => part.group),
      [11, 12],
    );
  }
});

test("a last group whose table is not whole either puts all logs in doubt, from their ends on", async () => {
  for (const torn of [third.subarray(0, 1), third.subarray(0, tableEnd(third) - 1), spoiled(third, 0), spoiled(third, 33), Buffer.alloc(200)]) {
    const recovered = await recover(await diskWith([first, second, torn]), [1]);
    assert.deepEqual(
      lossesIn(recovered),
      LOGS.map(() => tornIn(13)),
    );
    assert.equal(recovered.group, 13);
    assert.deepEqual([...(recovered.logsOf.get(1) ?? [])].sort(), ["1-1", "2-2", "3-3"]);
  }
});

test("the first group of a file may be the torn one, with or without files before it", async () => {
  assert.deepEqual(lossesIn(await recover(await diskWith([first, second], [third.subarray(0, -1)]), [1, 2])), [tornIn(13, 5), tornIn(13, 3), undefined]);
  const recovered = await recover(await diskWith([third.subarray(0, 20)]), [1], { group: 12 });
  assert.deepEqual(lossesIn(recovered)[2], tornIn(13));
});

test("a next file that was made and not used yet leaves the last group of the one in use torn, not damaged", async () => {
  const disk = await diskWith([first, second.subarray(0, -1)], []);
  assert.deepEqual(lossesIn(await recover(disk, [1, 2])), [tornIn(12, 3), undefined, undefined]);
  assert.deepEqual(lossesIn(await recover(await diskWith([first, second], []), [1, 2])), [undefined, undefined, undefined]);
});

test("bad bytes followed by a later group are damage to all logs, and the later group's number is not used again", async () => {
  for (const bad of [spoiled(second, second.length - 1), spoiled(second, 3), Buffer.concat([second.subarray(0, 9), Buffer.alloc(second.length - 9)])]) {
    const recovered = await recover(await diskWith([first, bad, third]), [1]);
    assert.deepEqual(
      lossesIn(recovered),
      LOGS.map(() => DAMAGED),
    );
    assert.ok(recovered.group >= 13);
    assert.deepEqual(
      tailOf(recovered, 1).parts.map((part) => part.group),
      [11],
    );
  }
});

test("a group that is missing between two whole ones is damage to all logs", async () => {
  assert.deepEqual(
    lossesIn(await recover(await diskWith([first, third]), [1])),
    LOGS.map(() => DAMAGED),
  );
});

test("bad bytes in a file with a later one that goes on with its groups are damage to all logs", async () => {
  const recovered = await recover(await diskWith([first, second.subarray(0, -1)], [third]), [1, 2]);
  assert.deepEqual(
    lossesIn(recovered),
    LOGS.map(() => DAMAGED),
  );
  assert.equal(tailOf(recovered, 2).parts.length, 2, "what is whole is there");
});

test("each process may leave a torn group: what a later one wrote proves nothing of it", async () => {
  const disk = new FaultyFiles();
  await writeJournalFile(disk, { number: 1, follows: 0 }, [first, second.subarray(0, -1)]);
  await writeJournalFile(disk, { number: 2, follows: 0 }, [groupBytes(15, [partOf(2, frames(2, 2))])]);
  assert.deepEqual(lossesIn(await recover(disk, [1, 2])), [tornIn(12, 3), undefined, undefined]);
});

test("of two losses the worse counts, in either order", async () => {
  const disk = await diskWith([first], [second.subarray(0, -1)]);
  disk.lose(journalPath(1));
  assert.deepEqual(
    lossesIn(await recover(disk, [1, 2])),
    LOGS.map(() => DAMAGED),
  );
  assert.deepEqual(
    lossesIn(await recover(await diskWith([first, second.subarray(0, -1)]), [1, 2])),
    LOGS.map(() => DAMAGED),
    "the next file, made before it was needed, is missing",
  );
});

test("a file cut at a group's border is damage when a later file goes on with its groups", async () => {
  for (const kept of [[first], []]) {
    const recovered = await recover(await diskWith(kept, [third]), [1, 2]);
    assert.deepEqual(
      lossesIn(recovered),
      LOGS.map(() => DAMAGED),
      `${kept.length} groups are left`,
    );
  }
});

test("groups whose numbers cannot be read are damage, so that these are not used again", async () => {
  const disk = await diskWith([first], [second], [third]);
  disk.lose(journalPath(3));
  assert.equal((await recover(disk, [1, 2, 3])).isDamaged, true);
  assert.equal((await recover(await diskWith([first, second.subarray(0, -1)]), [1])).isDamaged, false);
});

test("the groups of another process need not go on with the numbers of those before them", async () => {
  const disk = new FaultyFiles();
  await writeJournalFile(disk, { number: 4, follows: 0 }, [first]);
  await writeJournalFile(disk, { number: 6, follows: 0 }, [third]);
  assert.deepEqual(lossesIn(await recover(disk, [4, 6])), [undefined, undefined, undefined]);
});

test("a file of a newer release is refused, and nothing is touched", async () => {
  const disk = await diskWith([first]);
  disk.damage(journalPath(1), (bytes) => {
    bytes.writeUInt32LE(2, 4);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28);
    return bytes;
  });
  await assert.rejects(recover(disk, [1]), { reason: "DATA_FOLDER_MISMATCH" });
  assert.deepEqual(disk.paths(), [journalPath(1)]);
});

test("logs that this broker has no more keep no file, and have no tail", async () => {
  const recovered = await recover(await diskWith([first, second], [groupBytes(13, [partOf(9, frames(1, 1))])]), [1, 2], { logs: [2] });
  assert.deepEqual([...(recovered.logsOf.get(1) ?? [])], ["2-2"]);
  assert.equal(recovered.logsOf.get(2), undefined);
  assert.deepEqual(tailOf(recovered, 1), { parts: [], lost: undefined });
});

test("bytes in a record that look like a group raise no number beyond what a journal can have come to", async () => {
  const forged = groupBytes(Number.MAX_SAFE_INTEGER, [partOf(1, frames(1, 1))]);
  const disk = await diskWith([first, spoiled(groupBytes(12, [partOf(1, [{ ...(frames(3, 3)[0] ?? assert.fail()), body: forged }])]), 3)]);
  const recovered = await recover(disk, [1]);
  assert.ok(Number.isSafeInteger(recovered.group + 1_000_000_000), `group ${recovered.group}`);
});
