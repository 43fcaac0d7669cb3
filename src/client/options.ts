/** Every option of the client: default, unit, bounds. What is misspelt or out of bounds is refused before anything is done. */
import { closest } from "fastest-levenshtein";
import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { KIB, limits, MIB } from "../base/limits.js";
import { checkProducerName } from "../base/names.js";
import type { Logger } from "../base/ports.js";
import { Acks, type AcksName, Compression, type CompressionName } from "../base/record-batch.js";
import { silentLogger } from "../base/silent-logger.js";

export interface NumberOption {
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

/** All in milliseconds, bytes or a count, as their names say. */
const NUMBERS = {
  /** From `send` to its answer, retries included. */
  deliveryTimeoutMs: { value: 30_000, min: 100, max: 3_600_000 },
  /** One attempt of one request; the broker is told. */
  requestTimeoutMs: { value: 10_000, min: 100, max: 300_000 },
  /** Creating, changing, deleting. */
  adminTimeoutMs: { value: 30_000, min: 100, max: 600_000 },
  /** Until `connect` has found a broker. */
  connectTimeoutMs: { value: 10_000, min: 100, max: 600_000 },
  /** How long a batch may wait for more records although nothing is under way; up to 5 ms where they come so fast that it is about to be full. */
  lingerMs: { value: 0, min: 0, max: 10_000 },
  /** A batch of this size, before compression, is full. */
  batchBytes: { value: 256 * KIB, min: KIB, max: limits.batchBytes },
  /** Batches of one partition under way at a time, once its leader has taken one. With idempotence at most 5: so many a broker remembers. */
  inFlightBatchesMax: { value: 5, min: 1, max: 100 },
  /** Encoded records not yet answered, all topics together; beyond it `send` waits. */
  bufferBytesMax: { value: 32 * MIB, min: MIB, max: 4096 * MIB },
  /** Sends that may wait for room in the buffer; one more is refused with BUFFER_FULL. */
  sendsWaitingMax: { value: 10_000, min: 0, max: 10_000_000 },
  /** Pause before a retry: doubles from the first to the second, half of it random. */
  retryDelayMsMin: { value: 20, min: 1, max: 60_000 },
  retryDelayMsMax: { value: 1_000, min: 1, max: 60_000 },
  /** A leader that answers nothing for so long is suspected: other brokers are asked who leads. */
  stallMs: { value: 1_000, min: 50, max: 60_000 },
  /** Bytes of batches that one reader may have received from one broker and not yet handed out. */
  readAheadBytes: { value: 4 * MIB, min: 64 * KIB, max: 1024 * MIB },
  /** A stream that says nothing for so long is opened again; two and a half heartbeats. */
  silenceMs: { value: 2.5 * limits.streamHeartbeatMs, min: 100, max: 600_000 },
  /** HTTP/2 pings find connections that died without a word. */
  keepaliveTimeMs: { value: 3_000, min: 100, max: 600_000 },
  keepaliveTimeoutMs: { value: 3_000, min: 100, max: 600_000 },
} as const satisfies Record<string, NumberOption>;

type NumberOptions = { readonly [Name in keyof typeof NUMBERS]: number };

/** What `connect` takes. Only `brokers` is needed; each number is described, with its unit and bounds, in `src/client/options.ts`. */
export interface ConnectOptions extends Partial<NumberOptions> {
  /** `host:port` of any brokers of the cluster, 1 to 100; the others are found through them. */
  readonly brokers: readonly string[];
  /** When a produce is answered; default `quorum`, the only one that promises anything. */
  readonly acks?: AcksName;
  /**
   * How batches are compressed, default `none`. One that does not get smaller, or is below 1 KiB, is sent as it is. `zstd` needs Node 22.15.
   * Brokers never look into a batch; readers read all of them, whatever this says.
   */
  readonly compression?: CompressionName;
  /**
   * Whether each batch carries a sequence, so that it is written once however often it is sent (default: true, unless acks is `none`). Then
   * whatever may have been written is sent again until `deliveryTimeoutMs`.
   */
  readonly idempotence?: boolean;
  /**
   * A name for this client as a producer, `a-z 0-9 . _ -`: it has one life at a time. Whoever begins under the name fences its former self, whose
   * sends are rejected with PRODUCER_FENCED from then on. Default: none.
   */
  readonly producer?: string;
  /**
   * Only without idempotence: whether to send again what may have been written (default true: at least once, duplicates are possible). With
   * false, such a `send` is rejected with WRITE_OUTCOME_UNKNOWN.
   */
  readonly retryUnknown?: boolean;
  /** Where the client says what it does; default: nowhere. */
  readonly logger?: Logger;
  /** Aborting it makes `connect` reject with its reason; without effect afterwards. */
  readonly signal?: AbortSignal;
}

/** The same with defaults filled in. */
export type ClientOptions = Required<Omit<ConnectOptions, "signal">>;

const CONNECT_NAMES = ["brokers", "acks", "compression", "idempotence", "producer", "retryUnknown", "logger", "signal", ...Object.keys(NUMBERS)];

/** @throws QuireError INVALID_SETTING, naming the option, its bounds, and the name that was probably meant */
export function resolveOptions(given: ConnectOptions): ClientOptions {
  checkNames("connect", given, CONNECT_NAMES);
  const numbers: Record<string, number> = {};
  for (const [name, bounds] of Object.entries(NUMBERS)) numbers[name] = checkNumber(name, given[name as keyof NumberOptions] ?? bounds.value, bounds);
  const resolved: ClientOptions = {
    ...(numbers as NumberOptions),
    brokers: checkBrokers(given.brokers),
    acks: given.acks ?? "quorum",
    compression: given.compression ?? "none",
    idempotence: given.idempotence ?? given.acks !== "none",
    producer: given.producer ?? "",
    retryUnknown: given.retryUnknown ?? true,
    logger: given.logger ?? silentLogger,
  };
  if (!Object.hasOwn(Acks, resolved.acks)) refuse("acks", `acks is ${JSON.stringify(resolved.acks)}; use one of ${Object.keys(Acks).join(", ")}`);
  if (!Object.hasOwn(Compression, resolved.compression)) {
    refuse("compression", `compression is ${JSON.stringify(resolved.compression)}; use one of ${Object.keys(Compression).join(", ")}`);
  }
  checkIdempotence(resolved);
  if (resolved.retryDelayMsMin > resolved.retryDelayMsMax) {
    refuse("retryDelayMsMin", `retryDelayMsMin ${resolved.retryDelayMsMin} is above retryDelayMsMax ${resolved.retryDelayMsMax}`);
  }
  return resolved;
}

assert(NUMBERS.inFlightBatchesMax.value <= limits.producerBatchesKept, "a partition remembers all batches that are under way at a time");

function checkIdempotence({ idempotence, producer, acks, inFlightBatchesMax }: ClientOptions): void {
  if (typeof idempotence !== "boolean") refuse("idempotence", `idempotence is ${JSON.stringify(idempotence)}; use true or false`);
  if (typeof producer !== "string") refuse("producer", `producer is ${JSON.stringify(producer)}; it is a name`);
  if (producer !== "") checkProducerName(producer);
  if (producer !== "" && !idempotence)
    refuse("producer", `producer ${producer} has a name, which needs idempotence; leave idempotence and acks at their defaults`);
  if (!idempotence) return;
  if (acks === "none") refuse("idempotence", "with acks none nobody hears of a retry: leave idempotence out, or use acks quorum");
  if (inFlightBatchesMax > limits.producerBatchesKept) {
    refuse(
      "inFlightBatchesMax",
      `inFlightBatchesMax is ${inFlightBatchesMax}; brokers remember the last ${limits.producerBatchesKept} batches of a producer: use at most so many, or idempotence: false`,
    );
  }
}

/** Refuses names that `known` does not have. @throws QuireError INVALID_SETTING */
export function checkNames(what: string, given: object, known: readonly string[]): void {
  if (typeof given !== "object" || given === null) refuse(what, `${what} takes an object of options`);
  for (const name in given) {
    if (!known.includes(name)) refuse(name, `${what} has no option ${JSON.stringify(name)}; did you mean ${closest(name, [...known])}?`);
  }
}

/** @throws QuireError INVALID_SETTING */
export function refuse(field: string, message: string): never {
  throw new QuireError("INVALID_SETTING", message, { details: { option: field }, fields: [{ field, description: message }] });
}

/** @throws QuireError INVALID_SETTING */
export function checkNumber(name: string, value: unknown, { min, max }: NumberOption): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  return refuse(name, `${name} is ${String(value)}; use a whole number from ${min} to ${max}`);
}

const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^\s:/]+):(\d{1,5})$/;

function checkBrokers(brokers: unknown): readonly string[] {
  if (!Array.isArray(brokers) || brokers.length === 0 || brokers.length > 100) return refuse("brokers", "brokers is a list of 1 to 100 addresses host:port");
  for (const address of brokers) {
    const port = typeof address === "string" ? Number(ADDRESS.exec(address)?.[2] ?? 0) : 0;
    if (port < 1 || port > 65_535) refuse("brokers", `broker address ${JSON.stringify(address)} is not host:port`);
  }
  return [...new Set(brokers as string[])];
}
