import { assert } from "../base/assert.js";
import { Fifo } from "../base/fifo.js";
import { indexPlus, type LogIndex, logIndex } from "../base/ids.js";
import type { CoreOptions, Member } from "./types.js";

/**
 * What a leader knows of one other member, and what it has under way to it (after etcd-io/raft, `tracker/`).
 *
 * - `probe`: where the logs agree is unknown. One message, then wait for its answer.
 * - `replicate`: they agree up to `match`. Messages follow each other without waiting, within the window.
 * - `snapshot`: the member needs entries that were dropped; nothing else is sent until the snapshot is there.
 *
 * `match` is what safety rests on: the member said, in this term, that its disk equals the leader's log through there.
 * `next` and the window only say what is worth sending.
 */
export class Progress {
  readonly member: Member;
  flow: "probe" | "replicate" | "snapshot" = "probe";
  match: LogIndex = logIndex(0);
  next: LogIndex;
  /** Highest round of this term that the member answered. */
  round = 0;
  /** Ticks since anything of this term came from it. */
  silentTicks = 0;
  /** Its broker's link is down: nothing but heartbeats is worth sending. */
  down = false;
  /** The first index of a `replicate` effect that the runner has not reported on yet. */
  asked: LogIndex | undefined;
  readonly #options: CoreOptions;
  readonly #inflight = new Fifo<{ readonly through: LogIndex; readonly bytes: number }>();
  #inflightBytes = 0;
  /** Above 0: nothing is sent for so many ticks, unless the member answers first. */
  #waitTicks = 0;
  /** Ticks since `match` rose or the window began to fill. */
  #stalledTicks = 0;

  constructor(member: Member, next: LogIndex, options: CoreOptions) {
    this.member = member;
    this.next = next;
    this.#options = options;
  }

  /** A message may have been lost when it had no answer for so long. Well above a slow sync, well below an election. */
  get #lossTicks(): number {
    return Math.max(2, this.#options.electionTicks >> 1);
  }

  get waiting(): boolean {
    return this.#waitTicks > 0;
  }

  get windowFull(): boolean {
    return this.#inflight.size >= this.#options.inflightMessagesMax || this.#inflightBytes >= this.#options.inflightBytesMax;
  }

  get inflightBytes(): number {
    return this.#inflightBytes;
  }

  /** Holds everything through `last` and has nothing under way. */
  isCaughtUp(last: LogIndex): boolean {
    return this.flow === "replicate" && this.match === last && this.asked === undefined && this.#inflight.size === 0;
  }

  becomeProbe(next: LogIndex): void {
    assert(next > this.match, "what a member holds is not sent again");
    this.flow = "probe";
    this.next = next;
    this.#empty();
  }

  becomeSnapshot(): void {
    this.flow = "snapshot";
    this.#empty();
  }

  /**
   * The member's answers of before no longer count: its process, or its disk, may be another one. Most likely it still holds what it held, so that is where it is asked,
   * and where it was being asked when it goes away once more before it has answered: its log is not sent again from the beginning.
   */
  forget(): void {
    const next = this.flow === "replicate" ? indexPlus(this.match, 1) : this.next;
    this.match = logIndex(0);
    this.becomeProbe(next);
  }

  /** A probe left; wait for its answer, or for its loss. */
  probed(): void {
    this.#waitTicks = this.#lossTicks;
  }

  /** Nothing could be sent now. */
  pause(): void {
    this.#waitTicks = this.#options.heartbeatTicks;
  }

  snapshotSent(index: LogIndex): void {
    this.next = indexPlus(index, 1);
    this.#waitTicks = 2 * this.#options.electionTicks;
  }

  /** Entries through `through` are on their way. */
  sent(through: LogIndex, bytes: number): void {
    assert(through >= this.next, "a message carries entries on from the next one");
    if (this.#inflight.size === 0) this.#stalledTicks = 0;
    this.#inflight.push({ through, bytes });
    this.#inflightBytes += bytes;
    this.next = indexPlus(through, 1);
  }

  /** The member's disk equals the leader's log through `match`. Says whether that is news. */
  acknowledged(match: LogIndex): boolean {
    const advanced = match > this.match;
    if (advanced) {
      this.match = match;
      this.#stalledTicks = 0;
    }
    while ((this.#inflight.at(0)?.through ?? Number.POSITIVE_INFINITY) <= match) this.#inflightBytes -= this.#inflight.shift()?.bytes ?? 0;
    if (this.next <= match) this.next = indexPlus(match, 1);
    if (this.flow === "probe") {
      this.flow = "replicate";
      this.#waitTicks = 0;
    }
    return advanced;
  }

  leaveSnapshot(): void {
    assert(this.flow === "snapshot", "a snapshot was under way");
    this.becomeProbe(this.next > this.match ? this.next : indexPlus(this.match, 1));
  }

  /** One tick passes; says whether there is something to try again. */
  tick(): boolean {
    this.silentTicks++;
    if (this.#waitTicks > 0) {
      this.#waitTicks--;
      return this.#waitTicks === 0 && this.#expired();
    }
    if (this.flow !== "replicate" || this.#inflight.size === 0) return false;
    this.#stalledTicks++;
    if (this.#stalledTicks < this.#lossTicks) return false;
    this.becomeProbe(indexPlus(this.match, 1));
    return true;
  }

  #expired(): boolean {
    if (this.flow === "snapshot") this.leaveSnapshot();
    return true;
  }

  #empty(): void {
    this.#inflight.clear();
    this.#inflightBytes = 0;
    this.#waitTicks = 0;
    this.#stalledTicks = 0;
  }
}
