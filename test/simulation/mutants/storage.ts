import { leftTo, type Mutant, mutantsOf } from "./mutant.js";

const mutant = mutantsOf("storage");
const SYNC = "this.#file.sync((error) => {";

export const storageMutants: readonly Mutant[] = [
  mutant("rule 2: a group is told to be on disk without a sync", ["storage/group-commit.js", SYNC, "((synced) => synced(null))((error) => {"]),
  mutant("rule 2: a new segment counts before its name is on disk", ["storage/group-commit.js", "this.#isUnnamed = begins;", "this.#isUnnamed = false;"]),
  mutant("rule 2: the database answers before its batch is on disk", ["storage/level-store.js", "{ sync: true }", "{ sync: false }"]),
  mutant("rule 11: a failed sync is taken for done", ["storage/group-commit.js", SYNC, "this.#file.sync((failed) => {\n            const error = null;"]),
  mutant("rule 11: a failed sync is tried again", [
    "storage/group-commit.js",
    SYNC,
    "((synced) => this.#file.sync((error) => (error === null ? synced(null) : this.#file.sync(synced))))((error) => {",
  ]),
  leftTo(
    "test/storage",
    mutant(
      "rule 10: a log that ends in bad bytes is in no doubt",
      ["storage/recovery.js", "return { kind: isProven || isFollowed", "return undefined;\n    ({ kind: isProven || isFollowed"],
      ["storage/recovery.js", "from: indexPlus(at.lastIndex, 1) };\n}", "from: indexPlus(at.lastIndex, 1) });\n}"],
    ),
  ),
  leftTo(
    "test/storage",
    mutant(
      "rule 10: a doubt is not written down",
      ["storage/log-recovery.js", "...(doubt && { doubt }),", ""],
      ["storage/segmented-log.js", "...(this.#doubt && { doubt: this.#doubt }),", ""],
    ),
  ),
  mutant("rule 2: the journal answers before its group is on disk", [
    "storage/journal/journal.js",
    "return into.file.sync((failure) => {",
    "return ((done) => done(null))((failure) => {",
  ]),
  mutant("rule 11: a failed sync of the journal is taken for done", [
    "storage/journal/journal.js",
    "if (failure !== null)\n                    return this.#settle(group, failure);",
    "",
  ]),
  mutant("a recent batch is read from memory after others took its place", [
    "storage/tail-ring.js",
    "return position >= this.#head - this.bytes;",
    "return true;",
  ]),
  mutant("what is in the journal alone goes from memory", [
    "storage/tail-cache.js",
    "this.#behind.first <= droppable",
    "this.#behind.first <= this.#releasedIndex",
  ]),
  mutant("what the journal has is not read when a log is opened", ["storage/journal/replay.js", "frames.push(frame);", "continue;"]),
  leftTo(
    "test/storage/recovery-crash.test.ts",
    mutant("what was cut comes back from the journal", ["storage/journal/journal-lane.js", "this.#voidThrough = this.#journal.group;", ""]),
  ),
  mutant("a file of the journal goes before its logs have what is in it", [
    "storage/journal/journal.js",
    "logs.size === 0 && number < this.#firstKept",
    "number < this.#firstKept",
  ]),
  leftTo(
    "test/storage/recovery-crash.test.ts",
    mutant("rule 10: a journal that ends in bad bytes leaves no log in doubt", ["storage/journal/replay.js", "tail.lost.filter(", "[].filter("]),
  ),
  leftTo(
    "test/storage/recovery-crash.test.ts",
    mutant("a checkpoint runs ahead of the disk", [
      "storage/segmented-log.js",
      "const { index, place, group } = this.#commit.durable;",
      "const [index, place, { group }] = [this.#state.lastIndex, this.#state.end, this.#commit.durable];",
    ]),
  ),
  mutant("recovery stops at the checkpoint", [
    "storage/log-recovery.js",
    "await this.#scanHead((await this.#files.size(this.#path(head.first))) ?? 0, closedGroup)",
    "await this.#scanHead(0, closedGroup)",
  ]),
  leftTo("test/storage", mutant("recovery takes what it reads for synced", ["storage/log-recovery.js", "if (this.#isTailUnsynced)", "if (false)"])),
  leftTo(
    "test/storage",
    mutant("bodies are read without their checksum", ["storage/log-reader.js", "if (!isLeftOut && !isBodyIntact(header, body))", "if (false)"]),
  ),
  leftTo(
    "test/storage",
    mutant("recovery takes bodies without their checksum", ["storage/segment-scan.js", "if (!isBodyIntact(", "if (false && !isBodyIntact("]),
  ),
  leftTo("test/storage/truncation.test.ts", mutant("what was truncated stays in the file", ["storage/pending-cut.js", "await file.truncate(position);", ""])),
];
