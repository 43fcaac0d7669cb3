import { QuireError } from "../base/errors.js";
import type { Offset } from "../base/ids.js";
import type { Replica } from "../replica/types.js";

/** Groups stand still at few offsets, and several at the same. */
const KEPT_MAX = 1_000;

/** When the batches at some offsets of a partition were written, as their headers say; the last ones asked for are remembered. */
export class BatchTimes {
  readonly #log: Replica["log"];
  readonly #kept = new Map<Offset, number>();

  constructor(log: Replica["log"]) {
    this.#log = log;
  }

  /** Of the batch with the committed record at `offset`, milliseconds since 1970; undefined when retention took it meanwhile. @throws QuireError LOG_CORRUPT */
  async at(offset: Offset): Promise<number | undefined> {
    const known = this.#kept.get(offset);
    if (known !== undefined) return known;
    try {
      const index = await this.#log.indexOfOffset(offset);
      const [frame] = this.#log.readCached(index, index, 1) ?? (await this.#log.read(index, index, 1));
      if (frame === undefined) return undefined;
      this.#keep(offset, frame.batch.baseTimestampMs);
      return frame.batch.baseTimestampMs;
    } catch (error) {
      if (error instanceof QuireError && error.reason === "OFFSET_OUT_OF_RANGE") return undefined;
      throw error;
    }
  }

  #keep(offset: Offset, timestampMs: number): void {
    if (this.#kept.size >= KEPT_MAX) for (const oldest of this.#kept.keys()) if (this.#kept.delete(oldest)) break;
    this.#kept.set(offset, timestampMs);
  }
}
