/** Unary calls: any broker answers any request, so a call that may be repeated goes round the brokers until its deadline. */
import { type QuireError, toQuireError } from "../base/errors.js";
import { callUnary } from "../wire/call.js";
import type { Init } from "../wire/messages.js";
import type { UnaryMethod } from "../wire/method.js";
import { type Connections, closedError } from "./connections.js";
import type { ClientOptions } from "./options.js";
import { abortable, type ClientPorts, pause } from "./ports.js";
import { mayRetryRead, retryDelayMs } from "./retry.js";

export interface CallLimits {
  /** Retries included; default: `requestTimeoutMs`, for administration `adminTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Aborting it rejects with its reason; what was asked for may be done nevertheless. */
  readonly signal?: AbortSignal;
}

export class Calls {
  readonly #options: ClientOptions;
  readonly #ports: ClientPorts;
  readonly #connections: Connections;
  readonly #addresses: () => readonly string[];
  readonly #closing: AbortSignal;
  /** Where the last call succeeded. */
  #preferred: string | undefined;

  constructor(options: ClientOptions, ports: ClientPorts, connections: Connections, addresses: () => readonly string[], closing: AbortSignal) {
    this.#options = options;
    this.#ports = ports;
    this.#connections = connections;
    this.#addresses = addresses;
    this.#closing = closing;
  }

  /**
   * Repeats the call, at another broker each time, while that may help and time is left.
   *
   * @param unknown for requests that change something: called before a retry when the failed attempt may have done its work
   * @throws QuireError the last attempt's; of a request that changes nothing, the refusal before it if the last one only ran out of time
   */
  async call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Init<Request>,
    limits: CallLimits = {},
    unknown?: () => void,
  ): Promise<Response> {
    const { clock, random } = this.#ports;
    const signal = limits.signal === undefined ? this.#closing : AbortSignal.any([limits.signal, this.#closing]);
    const deadlineMs = clock.monotonicMs() + (limits.timeoutMs ?? this.#options.requestTimeoutMs);
    let refusal: QuireError | undefined;
    for (let attempt = 1; ; attempt++) {
      limits.signal?.throwIfAborted();
      if (this.#closing.aborted) throw closedError();
      const addresses = this.#addresses();
      const address = this.#choose(addresses, attempt);
      let sent = false;
      try {
        const leftMs = Math.max(1, deadlineMs - clock.monotonicMs());
        const client = await abortable(this.#connections.ready(address, "control", leftMs), signal);
        sent = true;
        const response = await callUnary(client, method, request, { deadline: clock.wallMs() + Math.max(1, deadlineMs - clock.monotonicMs()), signal });
        this.#preferred = address;
        return response;
      } catch (thrown) {
        limits.signal?.throwIfAborted();
        if (this.#closing.aborted) throw closedError();
        const error = toQuireError(thrown);
        if (this.#preferred === address) this.#preferred = undefined;
        // One round without a pause: a dead broker is no reason to wait.
        const delayMs = error.reason === "BROKER_UNREACHABLE" && attempt < addresses.length ? 0 : retryDelayMs(attempt, this.#options, random, error);
        const saysMore = unknown === undefined && error.reason === "DEADLINE" ? refusal : undefined;
        if (!mayRetryRead(error) || clock.monotonicMs() + delayMs >= deadlineMs) throw saysMore ?? error;
        refusal = saysMore ?? error;
        if (sent && (error.reason === "BROKER_UNREACHABLE" || error.retry === "idempotent")) unknown?.();
        await pause(clock, delayMs, signal);
      }
    }
  }

  #choose(addresses: readonly string[], attempt: number): string {
    if (this.#preferred !== undefined && addresses.includes(this.#preferred)) return this.#preferred;
    return addresses[(attempt - 1) % addresses.length] as string;
  }
}
