/** Gathers what the clients of a run saw, for the checkers. */
import { crc32 } from "node:zlib";
import type { AcksName } from "../../../src/base/record-batch.js";
import { QuireError } from "../../../src/client/index.js";
import type { FinalRead, History, Outcome, Poll, Seek, Send, Trim } from "../checkers/history.js";
import type { World } from "../kernel/world.js";

type Growing<T> = { -readonly [K in keyof T]: T[K] };

export interface SendPlan {
  readonly client: string;
  readonly partition: string;
  readonly value: string;
  readonly digest: number;
  readonly acks: AcksName;
  readonly mayRepeat: boolean;
  readonly call?: number;
}

export class Recorder {
  readonly #world: World;
  readonly #sends: Growing<Send>[] = [];
  readonly #reads: (Seek | Poll)[] = [];
  readonly #finalReads: FinalRead[] = [];
  readonly #trims: Trim[] = [];
  /** By partition, or by topic where its retention may take anything: where its log may begin at the most. */
  readonly #mayTrim = new Map<string, number>();
  readonly #deleted = new Set<string>();
  /** Sends without an outcome, of clients that live. */
  readonly #open = new Map<string, Growing<Send>>();

  constructor(world: World) {
    this.#world = world;
  }

  /** A send begins; the returned function takes its outcome. Without one it stays unknown for ever. */
  send(plan: SendPlan): (outcome: Outcome) => void {
    const { client, partition, value, digest, acks, mayRepeat, call } = plan;
    const outcome: Outcome = { kind: "unknown" };
    // Named one by one: objects that are spread share no hidden class, and there are very many of these.
    const send: Growing<Send> = { client, partition, value, digest, acks, mayRepeat, invoked: this.#world.nowMs, completed: Number.POSITIVE_INFINITY, outcome };
    if (call !== undefined) send.call = call;
    this.#sends.push(send);
    this.#open.set(plan.value, send);
    return (outcome) => {
      this.#open.delete(plan.value);
      send.completed = this.#world.nowMs;
      send.outcome = outcome;
    };
  }

  /** A client died: nobody waits for what it sent. */
  died(client: string): void {
    for (const [value, send] of this.#open) if (send.client === client) this.#open.delete(value);
  }

  /** Values whose send nobody answered. */
  open(): string[] {
    return [...this.#open.keys()];
  }

  seek({ reader, partition, to }: Omit<Seek, "kind">): void {
    this.#reads.push({ kind: "seek", reader, partition, to });
  }

  poll({ reader, partition, records, leaps = false }: Omit<Poll, "kind" | "completed">): void {
    this.#reads.push({ kind: "poll", reader, partition, completed: this.#world.nowMs, records, leaps });
  }

  /** Somebody asks for a trim; without a place, retention does, of every partition of a topic. */
  mayTrim(partitionOrTopic: string, before = Number.POSITIVE_INFINITY): void {
    this.#mayTrim.set(partitionOrTopic, Math.max(before, this.#mayTrim.get(partitionOrTopic) ?? 0));
  }

  /** A trim was committed. What it takes beyond what anybody asked for, it does not excuse. */
  trimmed(partition: string, before: number): void {
    const [topic = partition] = partition.split("/");
    const asked = this.#mayTrim.get(topic) ?? this.#mayTrim.get(partition) ?? 0;
    this.#trims.push({ partition, before: Math.min(before, asked), committed: this.#world.nowMs });
  }

  finalRead(read: FinalRead): void {
    this.#finalReads.push(read);
  }

  deleted(partition: string): void {
    this.#deleted.add(partition);
  }

  history(): History {
    return { sends: this.#sends, reads: this.#reads, finalReads: this.#finalReads, trims: this.#trims, deleted: [...this.#deleted] };
  }
}

/** What is certain after a send that failed. */
export function outcomeOf(thrown: unknown): Outcome {
  const isUnknown = thrown instanceof QuireError && thrown.reason === "WRITE_OUTCOME_UNKNOWN";
  return { kind: isUnknown ? "unknown" : "failed" };
}

export const digestOf = (key: string, value: Uint8Array): number => crc32(value, crc32(key));
