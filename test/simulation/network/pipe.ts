import { crc32 } from "node:zlib";
import type { Actor } from "../kernel/event-queue.js";
import type { Frame } from "./frames.js";
import type { Link, Medium, Stalled } from "./link.js";
import type { NetworkProcess } from "./seam.js";

/** Where a pipe ends. `gone`: its machine lost power, and answers nothing. */
export interface PipeEnd {
  readonly process: NetworkProcess;
  /** Its operating system, for events that may concern no process any more. */
  readonly kernel: Actor;
  readonly state: "open" | "closed" | "gone";
  /** True when code of the process ran: then other events come before the next frame. */
  received(frame: Frame): boolean;
  /** Something came although this end is not open. */
  receivedInVain(isReset: boolean): void;
}

interface Packet {
  readonly sentMs: number;
  readonly arrivalMs: number;
  readonly frames: Frame[];
  bytes: number;
  next: number;
}

/** What is written in one instant travels together, up to so much. */
const PACKET_BYTES = 16_384;

/** One direction of a connection: in order, and whole until it breaks. */
export class Pipe implements Stalled {
  readonly isResponse: boolean;
  readonly #medium: Medium;
  readonly #link: Link;
  readonly #to: PipeEnd;
  readonly #timedOut: () => void;
  readonly #packets: Packet[] = [];
  #busyUntilMs = 0;
  #lastArrivalMs = 0;
  #stalls = 0;

  /** `timedOut`: the sender has repeated itself for so long that it gives up. */
  constructor(medium: Medium, link: Link, isResponse: boolean, to: PipeEnd, timedOut: () => void) {
    this.#medium = medium;
    this.#link = link;
    this.isResponse = isResponse;
    this.#to = to;
    this.#timedOut = timedOut;
  }

  get actor(): Actor {
    return this.#to.kernel;
  }

  send(frame: Frame, bytes: number): void {
    const { nowMs, trace } = this.#medium.world;
    trace.detail(bytes, frame.kind === "message" ? crc32(frame.bytes) : 0);
    this.#busyUntilMs = Math.max(nowMs, this.#busyUntilMs) + bytes / this.#link.bytesPerMs;
    const last = this.#packets.at(-1);
    if (last !== undefined && last.sentMs === nowMs && last.next === 0 && last.bytes + bytes <= PACKET_BYTES) {
      last.frames.push(frame);
      last.bytes += bytes;
      return;
    }
    const arrivalMs = Math.max(this.#lastArrivalMs, this.#busyUntilMs + this.#link.latencyMs());
    this.#lastArrivalMs = arrivalMs;
    this.#packets.push({ sentMs: nowMs, arrivalMs, frames: [frame], bytes, next: 0 });
    if (this.#packets.length === 1) this.#arm();
  }

  /** Nothing that is under way arrives. */
  clear(): void {
    this.#packets.length = 0;
    this.#stalls += 1;
    this.#link.unstall(this);
  }

  resume(): void {
    this.#stalls += 1;
    this.#arrive();
  }

  #arm(): void {
    const [first] = this.#packets;
    if (first === undefined) return;
    const { world } = this.#medium;
    world.after(Math.max(0, first.arrivalMs - world.nowMs), "packet", this.#arrive, this.#to.kernel);
  }

  readonly #arrive = (): void => {
    const [first] = this.#packets;
    if (first === undefined) return;
    if (this.#link.blocks(this.isResponse)) this.#stall();
    else if (this.#to.state === "open") this.#to.process.enter(this.#deliver);
    else this.#discard(first);
  };

  readonly #deliver = (): void => {
    const [first] = this.#packets;
    if (first === undefined) return;
    if (this.#to.state !== "open") {
      this.#discard(first);
      return;
    }
    try {
      this.#receiveOne(first);
    } finally {
      // What was received may have broken the connection, and cleared this.
      if (this.#packets[0] === first) {
        if (first.next >= first.frames.length) this.#packets.shift();
        this.#arm();
      }
    }
  };

  /** Frames up to the first that concerns the process's own code. */
  #receiveOne(packet: Packet): void {
    for (let frame = packet.frames[packet.next]; frame !== undefined; frame = packet.frames[packet.next]) {
      packet.next += 1;
      if (this.#to.received(frame)) return;
    }
  }

  #discard(first: Packet): void {
    const isReset = first.frames.some(({ kind }) => kind === "reset");
    this.#packets.length = 0;
    this.#to.receivedInVain(isReset);
  }

  #stall(): void {
    this.#link.stall(this);
    this.#medium.count("packets held by a partition");
    const { resetStalledAfterMs } = this.#medium.options;
    if (resetStalledAfterMs === undefined) return;
    const stall = this.#stalls;
    this.#medium.world.after(this.#medium.draw(resetStalledAfterMs), "gives up", () => {
      if (this.#stalls === stall) this.#timedOut();
    });
  }
}
