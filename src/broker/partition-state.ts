import { assert, assertSafeInteger } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { type Offset, offset, offsetPlus } from "../base/ids.js";
import { decodeTrimEntry } from "../base/trim-entry.js";
import { EntryKind, type StateMachine } from "../replica/types.js";
import type { Frame } from "../storage/log.js";

/**
 * Snapshot format: a version byte, then sections of (tag u8, length u32 LE, bytes). A section this version does not
 * know is state that it would lose, so it is refused rather than skipped; a missing one is empty state.
 */
const VERSION = 1;
const Section = { offsets: 1 } as const;

/** What a partition's log says when applied in order: the next offset, and where readers may begin. Later: producers, groups' progress. */
export class PartitionState implements StateMachine {
  #nextOffset = offset(0);
  #logStartOffset = offset(0);

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
    const state = Buffer.allocUnsafe(1 + 5 + 16);
    state.writeUInt8(VERSION, 0);
    state.writeUInt8(Section.offsets, 1);
    state.writeUInt32LE(16, 2);
    state.writeBigInt64LE(BigInt(this.#nextOffset), 6);
    state.writeBigInt64LE(BigInt(this.#logStartOffset), 14);
    return state;
  }

  /** An empty buffer is the state before the first entry. @throws QuireError UNSUPPORTED for a newer version's */
  restore(state: Buffer): void {
    this.#nextOffset = offset(0);
    this.#logStartOffset = offset(0);
    if (state.length === 0) return;
    const version = state.readUInt8(0);
    if (version !== VERSION) throw newer(`partition snapshot has version ${version}, this broker knows ${VERSION}`);
    for (let at = 1; at < state.length; ) {
      assert(state.length - at >= 5, "a snapshot's section has a head");
      const tag = state.readUInt8(at);
      const length = state.readUInt32LE(at + 1);
      at += 5;
      assert(length <= state.length - at, "a snapshot's section is whole");
      if (tag !== Section.offsets) throw newer(`partition snapshot has a section ${tag} that this broker does not know`);
      assert(length === 16, "the section of offsets has 16 bytes");
      this.#nextOffset = readOffset(state, at);
      this.#logStartOffset = readOffset(state, at + 8);
      at += length;
    }
    assert(this.#logStartOffset <= this.#nextOffset, "the log starts at or before the next offset");
  }
}

const newer = (what: string): QuireError => new QuireError("UNSUPPORTED", `${what}; run the version that wrote it`);
const readOffset = (state: Buffer, at: number): Offset => offset(assertSafeInteger(Number(state.readBigInt64LE(at)), "offset in a snapshot"));
