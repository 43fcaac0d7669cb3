/** At a megabyte each: what all followers that are behind may cost a broker in memory, however many replica sets they share with it. */
const READS_MAX = 16;

/** Counts what is being read from disk for followers, over all replicas of a broker. Who gets no turn asks again with a later tick. */
export class CatchUpReads {
  #underWay = 0;

  /** False when there is no turn; else the caller gives it back by `end`. */
  tryBegin(): boolean {
    if (this.#underWay >= READS_MAX) return false;
    this.#underWay += 1;
    return true;
  }

  end(): void {
    this.#underWay -= 1;
  }
}
