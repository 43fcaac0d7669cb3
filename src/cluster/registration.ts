import { toQuireError } from "../base/errors.js";
import type { Clock, Logger, Timer } from "../base/ports.js";
import type { BrokerInfo, ClusterView } from "./view.js";

export interface RegistrationOptions {
  readonly self: BrokerInfo;
  readonly view: ClusterView;
  /** `ClusterAdmin.registerBroker`, forwarded to the controller. */
  readonly register: (broker: BrokerInfo) => Promise<unknown>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 10_000;

/** Tells the cluster when this broker's addresses or rack are not what its metadata says; otherwise it does nothing. */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #unwatch: () => void;
  #timer: Timer | undefined;
  #retryMs = RETRY_MS_MIN;
  #busy = false;
  #stopped = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#unwatch = options.view.watch(() => this.#check());
    this.#check();
  }

  stop(): void {
    this.#stopped = true;
    this.#unwatch();
    this.#timer?.cancel();
  }

  #check(): void {
    const { view, self } = this.#options;
    if (this.#stopped || this.#busy || this.#timer !== undefined || !view.ready) return;
    const known = view.broker(self.nodeId);
    if (known === undefined || known.incarnation !== self.incarnation) return;
    if (known.address === self.address && known.peerAddress === self.peerAddress && known.rack === self.rack) {
      this.#retryMs = RETRY_MS_MIN;
      return;
    }
    this.#busy = true;
    void this.#register();
  }

  /** Waits after success too: the change takes a moment to come back through the log. */
  async #register(): Promise<void> {
    const { self, register, clock, logger } = this.#options;
    try {
      await register(self);
      logger.info({ address: self.address, peerAddress: self.peerAddress, rack: self.rack }, "told the cluster where this broker is");
    } catch (error) {
      logger.warn({ why: toQuireError(error).message, retryInMs: this.#retryMs }, "could not tell the cluster where this broker is");
    }
    this.#busy = false;
    if (this.#stopped) return;
    this.#timer = clock.after(this.#retryMs, () => {
      this.#timer = undefined;
      this.#check();
    });
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }
}
