import { hashOf as hashText } from "./mixing.js";

export interface TraceOptions {
  /** How many of the last lines are kept for people; none by default, which is fastest. */
  readonly linesMax?: number;
  /** Whether every event is a line, and not only what was told. */
  readonly everyEvent?: boolean;
}

/**
 * What happened in a run: a hash over everything, which two runs of one seed must share, and, when asked for, the last lines for people.
 * What is told to people is not hashed, so that a replay with a readable trace has the hash of the run without one.
 */
export class Trace {
  readonly #linesMax: number;
  readonly #everyEvent: boolean;
  readonly #lines: { readonly atMs: number; readonly actor: string; readonly text: string }[] = [];
  #oldest = 0;
  /** Hashes of names: the same few come again and again. */
  readonly #names = new Map<string, number>();
  readonly #time = new Float64Array(1);
  readonly #timeWords = new Uint32Array(this.#time.buffer);
  #high = 0x243f6a88;
  #low = 0x85a308d3;

  constructor({ linesMax = 0, everyEvent = false }: TraceOptions = {}) {
    this.#linesMax = linesMax;
    this.#everyEvent = everyEvent;
  }

  /** Whether anybody reads what is told. */
  get isReadable(): boolean {
    return this.#linesMax > 0;
  }

  /** 16 hexadecimal digits: all that happened so far. */
  get hash(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** An event begins. */
  event(atMs: number, actor: string, kind: string): void {
    this.mixTime(atMs);
    this.#mix(this.hashOf(actor));
    this.#mix(this.hashOf(kind));
    if (this.#everyEvent) this.#keep(atMs, actor, kind);
  }

  /** What an event was about, in numbers: positions, lengths, checksums. */
  detail(value: number, more?: number, evenMore?: number): void {
    this.#mix(value);
    if (more !== undefined) this.#mix(more);
    if (evenMore !== undefined) this.#mix(evenMore);
  }

  mixTime(atMs: number): void {
    this.#time[0] = atMs;
    this.#mix(this.#timeWords[0] ?? 0);
    this.#mix(this.#timeWords[1] ?? 0);
  }

  /** A line for people; not hashed. */
  tell(atMs: number, actor: string, text: string | (() => string)): void {
    if (this.isReadable) this.#keep(atMs, actor, typeof text === "string" ? text : text());
  }

  /** The last lines, oldest first. */
  lines(): string[] {
    const inOrder = [...this.#lines.slice(this.#oldest), ...this.#lines.slice(0, this.#oldest)];
    return inOrder.map(({ atMs, actor, text }) => `${atMs.toFixed(3).padStart(12)} ${actor.padEnd(10)} ${text}`);
  }

  /** Of a name that comes again and again: a path, an actor. */
  hashOf(name: string): number {
    let hash = this.#names.get(name);
    if (hash === undefined) {
      hash = hashText(name);
      this.#names.set(name, hash);
    }
    return hash;
  }

  #keep(atMs: number, actor: string, text: string): void {
    if (this.#linesMax === 0) return;
    this.#lines[this.#oldest] = { atMs, actor, text };
    this.#oldest = (this.#oldest + 1) % this.#linesMax;
  }

  #mix(value: number): void {
    const high = Math.imul(this.#high ^ value, 0x9e3779b1);
    this.#high = (high << 15) | (high >>> 17);
    const low = Math.imul((this.#low + value) ^ this.#high, 0x85ebca77);
    this.#low = low ^ (low >>> 13);
  }
}
