/** What nobody in a cluster may contradict: every acknowledgement, refusal, applied entry and read of a run, and the claims about them. */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { EntryKind } from "../../src/base/entry-kind.js";
import type { LogIndex, Offset } from "../../src/base/ids.js";
import { PartitionState } from "../../src/broker/partition-state.js";
import type { LocalReplica } from "../../src/replica/replica.js";
import type { Committed, Frame } from "../../src/replica/types.js";

export class Witness {
  /** Texts that were acknowledged, by offset. */
  readonly acknowledged = new Map<Offset, string>();
  /** Texts of which somebody said that they are certainly not written. */
  readonly refused = new Set<string>();
  /** What each log index holds once it is committed. */
  readonly #applied = new Map<LogIndex, string>();
  readonly #texts = new Set<string>();
  /** What was proposed, by the checksum of its body: what is read from disk is applied without that. */
  readonly #proposed = new Map<number, string>();
  /** Proposals without an answer, of processes that live or ended politely. */
  readonly #waiting = new Map<LocalReplica, Set<string>>();
  #lastAcknowledged = 0;
  unknown = 0;
  reads = 0;
  /** Record batches that were applied by their headers. */
  outlines = 0;

  /** A partition's state machine that tells what it applies. */
  machine(): PartitionState {
    const machine = new PartitionState();
    const apply = machine.apply.bind(machine);
    machine.apply = (frame) => {
      this.#applies(frame);
      apply(frame);
    };
    return machine;
  }

  /** The callback of a proposal of `text`, which is what `body` says. */
  answer(replica: LocalReplica, text: string, body: Buffer): (outcome: Committed | Error) => void {
    this.#proposed.set(crc32(body), text);
    const waiting = this.#waiting.get(replica) ?? new Set();
    this.#waiting.set(replica, waiting.add(text));
    return (outcome) => {
      assert.ok(waiting.delete(text), `${text} is answered once`);
      if (!(outcome instanceof Error)) this.#acknowledges(text, outcome);
      else if ("reason" in outcome && outcome.reason === "WRITE_OUTCOME_UNKNOWN") this.unknown += 1;
      else this.refused.add(text);
    };
  }

  /** Its process ended without a word. */
  died(replica: LocalReplica): void {
    this.#waiting.delete(replica);
  }

  /** A read began here and now; the returned function takes its answer. */
  read(replica: LocalReplica): (index: LogIndex) => void {
    const atLeast = this.#lastAcknowledged;
    return (index) => {
      this.reads += 1;
      assert.ok(index >= atLeast, `a read through ${index} does not see the entry at ${atLeast}, acknowledged before it began`);
      assert.ok(replica.appliedIndex >= index, "a read is answered once its index is applied");
    };
  }

  /** After the end: what was acknowledged is committed, what was refused is not. */
  concludes(): void {
    for (const [{ replicaId }, waiting] of this.#waiting) assert.deepEqual([...waiting], [], `replica ${replicaId} answers everything before it ends`);
    for (const text of this.acknowledged.values()) assert.ok(this.#texts.has(text), `${text} was acknowledged and is applied`);
    for (const text of this.refused) assert.ok(!this.#texts.has(text), `${text} was called unwritten and is applied`);
  }

  #acknowledges(text: string, { index, baseOffset, replicasOnDisk }: Committed): void {
    const other = this.acknowledged.get(baseOffset);
    assert.ok(other === undefined, `${text} and ${other} are acknowledged at offset ${baseOffset}`);
    assert.ok(this.#applied.get(index)?.endsWith(` ${text}`), `${text} is acknowledged at ${index}, which holds ${this.#applied.get(index)}`);
    assert.ok(replicasOnDisk >= 0);
    this.acknowledged.set(baseOffset, text);
    if (index > this.#lastAcknowledged) this.#lastAcknowledged = index;
  }

  #applies({ index, term, kind, baseOffset, batch, body, omittedBytes }: Frame): void {
    if (omittedBytes !== undefined) this.outlines += 1;
    const said = omittedBytes === undefined ? body.toString().trimEnd() : this.#proposed.get(batch.crc32);
    assert.ok(said !== undefined, `entry ${index} is one that was proposed`);
    const text = kind === EntryKind.records ? said : body.toString("hex");
    const entry = `${term} ${kind} ${baseOffset} ${text}`;
    const before = this.#applied.get(index);
    assert.ok(before === undefined || before === entry, `entry ${index} is "${before}" and "${entry}"`);
    this.#applied.set(index, entry);
    if (kind === EntryKind.records) this.#texts.add(text);
  }
}
