import { assert, assertSafeInteger } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { type Offset, offset, offsetPlus } from "../base/ids.js";
import { decodeProducersEntry } from "../base/producers-entry.js";
import { decodeProgressEntry } from "../base/progress-entry.js";
import { decodeTrimEntry } from "../base/trim-entry.js";
import { EntryKind, type ReadDetail, type StateMachine } from "../replica/types.js";
import type { Frame } from "../storage/log.js";
import { ProducerTable } from "./producer-table.js";
import { ProgressTable } from "./progress-table.js";

/**
 * Snapshot format: a version byte, then sections of (tag u8, length u32 LE, bytes). A section this version does not
 * know is state that it would lose, so it is refused rather than skipped; a missing one is empty state.
 */
const VERSION = 1;
const Section = { offsets: 1, producers: 2, progress: 3 } as const;
const SECTION_HEAD_BYTES = 5;

/** What a partition's log says when applied in order: the next offset, where readers may begin, its producers, and what consumer groups have processed. */
export class PartitionState implements StateMachine {
  #nextOffset = offset(0);
  #logStartOffset = offset(0);
  readonly producers = new ProducerTable();
  readonly progress = new ProgressTable();

  /** Batches are opaque: their headers say all that counts here. */
  readonly detail: ReadDetail = "outline";

  /** Offset the next record gets. */
  get nextOffset(): Offset {
    return this.#nextOffset;
  }

  /** First offset readers may ask for, as trimmed; never falls, never above `nextOffset`. */
  logStartOffset(): Offset {
    return this.#logStartOffset;
  }

  apply(frame: Frame): void {
    switch (frame.kind) {
      case EntryKind.records:
        assert(
          frame.baseOffset === this.#nextOffset,
          () => `entry ${frame.index} begins at offset ${frame.baseOffset}; the next offset is ${this.#nextOffset}`,
        );
        this.#nextOffset = offsetPlus(this.#nextOffset, frame.batch.recordCount);
        if (frame.batch.producerId > 0) this.producers.wrote(frame.batch, frame.baseOffset);
        return;
      case EntryKind.producers:
        this.producers.passed(decodeProducersEntry(frame.body));
        return;
      case EntryKind.progress:
        this.progress.applied(decodeProgressEntry(frame.body), this.#nextOffset);
        return;
      case EntryKind.trim: {
        const before = decodeTrimEntry(frame.body);
        // A trim proposed against a high watermark is never beyond it; the bound keeps a wrong one from inventing offsets.
        if (before > this.#logStartOffset) this.#logStartOffset = offset(Math.min(before, this.#nextOffset));
        return;
      }
      case EntryKind.noOp:
      case EntryKind.configuration:
        return;
      default:
        throw new QuireError("UNSUPPORTED", `entry ${frame.index} is of kind ${frame.kind}, which this version does not know; run the version that wrote it`, {
          details: { index: frame.index, kind: frame.kind },
        });
    }
  }

  blank(): Buffer {
    return new PartitionState().snapshot();
  }

  snapshot(): Buffer {
    const offsets = Buffer.allocUnsafe(16);
    offsets.writeBigInt64LE(BigInt(this.#nextOffset), 0);
    offsets.writeBigInt64LE(BigInt(this.#logStartOffset), 8);
    const sections = [...section(Section.offsets, offsets)];
    // Left out while there are none, so that an older version reads what it could have written itself.
    if (this.producers.size > 0 || this.producers.toldMs > 0) sections.push(...section(Section.producers, this.producers.encode()));
    if (this.progress.size > 0) sections.push(...section(Section.progress, this.progress.encode()));
    return Buffer.concat([Buffer.of(VERSION), ...sections]);
  }

  /** An empty buffer is the state before the first entry. @throws QuireError UNSUPPORTED for a newer version's */
  restore(state: Buffer): void {
    this.#nextOffset = offset(0);
    this.#logStartOffset = offset(0);
    this.producers.clear();
    this.progress.clear();
    if (state.length === 0) return;
    const version = state.readUInt8(0);
    if (version !== VERSION) throw newer(`partition snapshot has version ${version}, this broker knows ${VERSION}`);
    for (let at = 1; at < state.length; ) {
      assert(state.length - at >= SECTION_HEAD_BYTES, "a snapshot's section has a head");
      const tag = state.readUInt8(at);
      const length = state.readUInt32LE(at + 1);
      at += SECTION_HEAD_BYTES;
      assert(length <= state.length - at, "a snapshot's section is whole");
      this.#restoreSection(tag, state.subarray(at, at + length));
      at += length;
    }
    assert(this.#logStartOffset <= this.#nextOffset, "the log starts at or before the next offset");
  }

  #restoreSection(tag: number, content: Buffer): void {
    switch (tag) {
      case Section.offsets:
        assert(content.length === 16, "the section of offsets has 16 bytes");
        this.#nextOffset = readOffset(content, 0);
        this.#logStartOffset = readOffset(content, 8);
        return;
      case Section.producers:
        this.producers.decode(content);
        return;
      case Section.progress:
        this.progress.decode(content);
        return;
      default:
        throw newer(`partition snapshot has a section ${tag} that this broker does not know`);
    }
  }
}

function section(tag: number, content: Buffer): [head: Buffer, content: Buffer] {
  const head = Buffer.allocUnsafe(SECTION_HEAD_BYTES);
  head.writeUInt8(tag, 0);
  head.writeUInt32LE(content.length, 1);
  return [head, content];
}

const newer = (what: string): QuireError => new QuireError("UNSUPPORTED", `${what}; run the version that wrote it`);
const readOffset = (state: Buffer, at: number): Offset => offset(assertSafeInteger(Number(state.readBigInt64LE(at)), "offset in a snapshot"));
