import type { Timer } from "../../../src/base/ports.js";

/** Who an event happens to. It decides whether it happens: a dead process has no events, a paused one has them later. */
export interface Actor {
  readonly name: string;
  enter(run: () => void): void;
  /** Told of an error that its event threw, or of a rejection that nobody handled. Without it, such an error ends the run. */
  uncaught?(error: unknown): void;
}

export class SimEvent implements Timer {
  readonly atMs: number;
  readonly sequence: number;
  readonly actor: Actor;
  readonly kind: string;
  readonly run: () => void;
  isCancelled = false;
  isOver = false;
  readonly #queue: EventQueue;

  constructor(queue: EventQueue, sequence: number, { atMs, actor, kind, run }: Happening) {
    this.#queue = queue;
    this.sequence = sequence;
    this.atMs = atMs;
    this.actor = actor;
    this.kind = kind;
    this.run = run;
  }

  cancel(): void {
    if (this.isCancelled || this.isOver) return;
    this.isCancelled = true;
    this.#queue.cancelled();
  }
}

export interface Happening {
  readonly atMs: number;
  readonly actor: Actor;
  readonly kind: string;
  readonly run: () => void;
}

const isBefore = (a: SimEvent, b: SimEvent): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);

/** Events by time, those of one time in the order in which they were made: a binary heap. */
export class EventQueue {
  #heap: SimEvent[] = [];
  #made = 0;
  #cancelled = 0;

  /** Events that will happen. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  add(happening: Happening): SimEvent {
    const event = new SimEvent(this, this.#made++, happening);
    this.#heap.push(event);
    this.#rise(this.#heap.length - 1);
    return event;
  }

  /** Removes the next event, unless it is later than `untilMs`. */
  take(untilMs: number): SimEvent | undefined {
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= untilMs; first = this.#heap[0]) {
      const last = this.#heap.pop();
      if (last !== undefined && last !== first) {
        this.#heap[0] = last;
        this.#sink(0);
      }
      if (!first.isCancelled) {
        first.isOver = true;
        return first;
      }
      this.#cancelled -= 1;
    }
    return undefined;
  }

  /** Deadlines are set for every request and hardly ever met: without this the heap would be full of them. */
  cancelled(): void {
    this.#cancelled += 1;
    if (this.#cancelled < 1_000 || this.#cancelled * 2 < this.#heap.length) return;
    this.#heap = this.#heap.filter((event) => !event.isCancelled);
    this.#cancelled = 0;
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  #rise(from: number): void {
    const heap = this.#heap;
    const event = heap[from];
    if (event === undefined) return;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const event = heap[from];
    if (event === undefined) return;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      let child = heap[below];
      const right = heap[below + 1];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        below += 1;
        child = right;
      }
      if (child === undefined || !isBefore(child, event)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = event;
  }
}
