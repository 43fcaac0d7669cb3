/** Turns "from" and "to" into places: what does not stay the same while it is asked for (latest, a time) becomes an offset first. */
import { QuireError } from "../base/errors.js";
import { NamedPosition, type PositionMessage } from "../wire/messages.js";
import { fetchService } from "../wire/services.js";
import { fromStatus } from "../wire/status.js";
import type { CallLimits } from "./calls.js";
import type { Metadata } from "./metadata.js";
import type { ClientOptions } from "./options.js";
import { type ClientPorts, pause } from "./ports.js";
import type { ReadOptions } from "./read-options.js";
import { mayRetryRead, retryDelayMs } from "./retry.js";

export const earliest: PositionMessage = { position: "named", named: NamedPosition.earliest };
export const latest: PositionMessage = { position: "named", named: NamedPosition.latest };
export const atOffset = (offset: number): PositionMessage => ({ position: "offset", offset });

/** The broker's limit for one request. */
const QUERIES_PER_REQUEST = 1_000;

export class OffsetLookup {
  readonly #metadata: Metadata;
  readonly #options: ClientOptions;
  readonly #ports: ClientPorts;

  constructor(metadata: Metadata, options: ClientOptions, ports: ClientPorts) {
    this.#metadata = metadata;
    this.#options = options;
    this.#ports = ports;
  }

  /**
   * The offset of `position` in each of the partitions; retries partitions that have no leader for the moment.
   *
   * @throws QuireError why a partition could not be asked within `deliveryTimeoutMs`
   */
  async offsets(
    topic: string,
    partitions: readonly number[],
    position: PositionMessage,
    limits: CallLimits,
    signal: AbortSignal,
  ): Promise<Map<number, number>> {
    const { clock, random } = this.#ports;
    const timeoutMs = limits.timeoutMs ?? this.#options.deliveryTimeoutMs;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    const found = new Map<number, number>();
    for (let attempt = 1; found.size < partitions.length; attempt++) {
      const asked = partitions.filter((partition) => !found.has(partition)).slice(0, QUERIES_PER_REQUEST);
      const queries = asked.map((partition) => ({ topic, partition, position }));
      const leftMs = Math.max(1, deadlineMs - clock.monotonicMs());
      const { answers } = await this.#metadata.calls.call(fetchService.ListOffsets, { queries }, { ...limits, timeoutMs: leftMs });
      let failure: QuireError | undefined;
      for (const [at, partition] of asked.entries()) {
        const answer = answers[at];
        if (answer === undefined) throw new QuireError("INTERNAL", `the broker answered ${answers.length} of ${asked.length} questions about offsets`);
        if (answer.leader !== null) this.#metadata.hint(topic, partition, answer.leader);
        if (answer.error === null) found.set(partition, answer.offset);
        else failure = fromStatus(answer.error);
      }
      if (failure === undefined) continue;
      const delayMs = retryDelayMs(attempt, this.#options, random, failure);
      if (!mayRetryRead(failure) || clock.monotonicMs() + delayMs >= deadlineMs) throw failure;
      await pause(clock, delayMs, signal);
      signal.throwIfAborted();
    }
    return found;
  }

  /** Where each partition begins, as what a broker is asked for. */
  async begin(
    topic: string,
    partitions: readonly number[],
    from: ReadOptions["from"],
    limits: CallLimits,
    signal: AbortSignal,
  ): Promise<Map<number, PositionMessage>> {
    if (from === undefined || from === "earliest") return new Map(partitions.map((partition) => [partition, earliest]));
    if (typeof from === "object" && "offset" in from) return new Map(partitions.map((partition) => [partition, atOffset(from.offset)]));
    if (typeof from === "object" && "offsets" in from) {
      return new Map(partitions.map((partition) => [partition, from.offsets[partition] === undefined ? earliest : atOffset(from.offsets[partition])]));
    }
    const timestampMs = from === "latest" ? undefined : from instanceof Date ? from.getTime() : from.timestampMs;
    const position: PositionMessage = timestampMs === undefined ? latest : { position: "timestampMs", timestampMs };
    const offsets = await this.offsets(topic, partitions, position, limits, signal);
    return new Map([...offsets].map(([partition, offset]) => [partition, atOffset(offset)]));
  }

  /** Where each partition ends; partitions that are read for ever are not in it. */
  async end(
    topic: string,
    partitions: readonly number[],
    to: ReadOptions["to"],
    limits: CallLimits,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, number>> {
    if (to === undefined) return new Map();
    if (to === "latest") return await this.offsets(topic, partitions, latest, limits, signal);
    if ("offset" in to) return new Map(partitions.map((partition) => [partition, to.offset]));
    return new Map(Object.entries(to.offsets).map(([partition, offset]) => [Number(partition), offset]));
  }
}
