/** A member of a consumer group that speaks gRPC and nothing else: it heartbeats, gives back what it shall not hold, and enters again where it is sent. */
import type { QuireError } from "../../src/base/errors.js";
import { fromGrpcError } from "../../src/wire/status.js";
import type { Message } from "../support/stubs.js";
import { Stubs } from "../support/stubs.js";

export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
}

export interface RawMemberOptions {
  readonly addresses: readonly string[];
  readonly group: string;
  readonly id: string;
  readonly sessionTimeoutMs?: number;
  readonly topics?: readonly string[];
  /** One client for each broker, when many members share them. */
  readonly stubsAt?: (address: string) => Stubs;
}

const nameOf = ({ topic, partition }: Place): string => `${topic}/${partition}`;

export class RawMember {
  readonly id: string;
  readonly #options: RawMemberOptions;
  readonly #own = new Map<string, Stubs>();
  #call: Message;
  #beat: NodeJS.Timeout | undefined;
  #turn = 0;
  #stopped = false;
  held = new Map<string, Place>();
  /** When it last began or stopped something, by `performance.now()`; and how often. */
  changedMs = 0;
  changes = 0;
  entries = 0;
  coordinator = 0;
  readonly ends: string[] = [];

  constructor(options: RawMemberOptions) {
    this.id = options.id;
    this.#options = options;
    this.#open(options.addresses[0] ?? "");
  }

  /** Says that it goes; resolves when that was heard. */
  async leave(): Promise<void> {
    this.#stopped = true;
    const call = this.#call;
    call.write({ leave: {} });
    await new Promise<void>((resolve) => call.on("close", resolve).on("status", resolve));
    this.#end();
  }

  /** Dies without a word: the connection breaks, and nothing is sent any more. */
  vanish(): void {
    this.#stopped = true;
    this.#call.cancel();
    this.#end();
  }

  #end(): void {
    clearInterval(this.#beat);
    for (const stubs of this.#own.values()) stubs.close();
  }

  #stubsAt(address: string): Stubs {
    const { stubsAt } = this.#options;
    if (stubsAt !== undefined) return stubsAt(address);
    let stubs = this.#own.get(address);
    if (stubs === undefined) {
      stubs = new Stubs(address);
      this.#own.set(address, stubs);
    }
    return stubs;
  }

  #open(address: string): void {
    const { group, sessionTimeoutMs = 10_000, topics = ["orders"] } = this.#options;
    const stream = this.#stubsAt(address).open("GroupService.Join");
    const { call } = stream;
    this.#call = call;
    call.on("data", (message: Message) => this.#heard(call, message));
    call.on("error", (error: Error) => this.#broken(call, error));
    call.on("end", () => this.#broken(call, undefined));
    call.write({ enter: { group, memberId: this.id, topics, sessionTimeoutMs, holding: [...this.held.values()] } });
    stream.received.length = 0;
  }

  #heard(call: Message, message: Message): void {
    if (call !== this.#call || this.#stopped) return;
    if (message.step === "entered") {
      this.entries += 1;
      this.coordinator = message.entered.coordinatorNodeId;
      clearInterval(this.#beat);
      this.#beat = setInterval(() => call.write({ heartbeat: {} }), message.entered.heartbeatIntervalMs);
    }
    if (message.step !== "assignment") return;
    const { version, partitions } = message.assignment as { version: number; partitions: readonly Place[] };
    const next = new Map(partitions.map((place) => [nameOf(place), place]));
    const isSame = next.size === this.held.size && [...next].every(([name, { generation }]) => this.held.get(name)?.generation === generation);
    if (!isSame) {
      this.changedMs = performance.now();
      this.changes += 1;
    }
    this.held = next;
    call.write({ holding: { version, partitions } });
  }

  #broken(call: Message, error: Error | undefined): void {
    if (call !== this.#call || this.#stopped) return;
    clearInterval(this.#beat);
    this.#call = undefined;
    const refused: QuireError | undefined = error === undefined ? undefined : fromGrpcError(error as never);
    this.ends.push(refused?.reason ?? error?.message ?? "ok");
    if (refused?.reason === "MEMBER_FENCED") this.held = new Map();
    const { addresses } = this.#options;
    const told = refused?.details["coordinatorAddress"];
    this.#turn += 1;
    const address = told === undefined ? (addresses[this.#turn % addresses.length] ?? "") : String(told);
    setTimeout(() => !this.#stopped && this.#open(address), told === undefined ? 50 : 0);
  }
}

export const held = (members: readonly RawMember[]): number => members.reduce((sum, member) => sum + member.held.size, 0);
export const sizes = (members: readonly RawMember[]): number[] => members.map((member) => member.held.size).sort((a, b) => a - b);
