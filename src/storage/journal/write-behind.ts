import type { Clock, Timer } from "../../base/ports.js";

/** A log that has entries in the journal and not yet in its own files. */
export interface BehindLog {
  readonly key: string;
  /** Asks it to bring them there; it says when that is done. */
  writeBehind(): void;
}

const CHECK_MS = 100;
/** At a time: their writes and syncs wait for the same disk as what is to be acknowledged. */
const ASKED_MAX = 8;

export interface WriteBehindLimits {
  /** Of all logs together, in memory until they are in files. */
  readonly bytesMax: number;
  readonly ageMsMax: number;
}

interface Behind {
  readonly log: BehindLog;
  bytes: number;
  /** The oldest file of the journal that holds something of it. */
  readonly file: number;
  readonly sinceMs: number;
}

/**
 * Says when logs bring what the journal holds of them to their own files: the longest waiting first, when too much is waiting in memory, when it
 * waited long, or when it keeps an old file of the journal alive. A thousand logs that began to wait together do not end together: from half
 * of the longest wait on, each check asks for as many as leaves none for its end.
 */
export class WriteBehind {
  readonly #clock: Clock;
  readonly #limits: WriteBehindLimits;
  /** Longest waiting first. */
  readonly #behind = new Map<string, Behind>();
  readonly #asked = new Set<string>();
  #bytes = 0;
  #askedBytes = 0;
  /** Logs that may be asked before they must. */
  #mayAsk = 0;
  /** Files before this one are to go. */
  #firstFile = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, limits: WriteBehindLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** So much of the log was written to this file of the journal. */
  add(log: BehindLog, file: number, bytes: number): void {
    const behind = this.#behind.get(log.key);
    this.#bytes += bytes;
    if (behind === undefined) this.#behind.set(log.key, { log, bytes, file, sinceMs: this.#clock.monotonicMs() });
    else {
      behind.bytes += bytes;
      if (this.#asked.has(log.key)) this.#askedBytes += bytes;
    }
    this.#timer ??= this.#clock.after(CHECK_MS, () => this.#check());
    if (this.#bytes - this.#askedBytes > this.#limits.bytesMax) this.#ask();
  }

  /** The log has it all in its own files, or writes no more. */
  done(key: string): void {
    const behind = this.#behind.get(key);
    if (behind === undefined) return;
    this.#behind.delete(key);
    this.#bytes -= behind.bytes;
    if (this.#asked.delete(key)) this.#askedBytes -= behind.bytes;
    this.#ask();
  }

  /** What is in files before this one is to leave them. */
  leave(file: number): void {
    this.#firstFile = file;
    this.#ask();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #check(): void {
    this.#timer = this.#behind.size > 0 ? this.#clock.after(CHECK_MS, () => this.#check()) : undefined;
    this.#mayAsk = Math.ceil((this.#behind.size * CHECK_MS) / (this.#limits.ageMsMax / 2));
    this.#ask();
  }

  #ask(): void {
    const { bytesMax, ageMsMax } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    for (const [key, behind] of this.#behind) {
      if (this.#asked.size >= ASKED_MAX) return;
      if (this.#asked.has(key)) continue;
      const waitedMs = nowMs - behind.sinceMs;
      const must = this.#bytes - this.#askedBytes > bytesMax || behind.file < this.#firstFile || waitedMs >= ageMsMax;
      if (!must && (this.#mayAsk === 0 || waitedMs < ageMsMax / 2)) return;
      if (!must) this.#mayAsk -= 1;
      this.#asked.add(key);
      this.#askedBytes += behind.bytes;
      behind.log.writeBehind();
    }
  }
}
