import { onAbort } from "../base/on-abort.js";
import type { Clock, Random } from "../base/ports.js";
import { holdProcess, systemClock, systemRandom } from "../base/system-ports.js";
import { dial } from "../wire/grpc-channel.js";
import type { Dial } from "../wire/transport.js";
import type { StartMembershipHost } from "./consume/membership-messages.js";
import { workerHost } from "./consume/worker-host.js";

/** What differs between a real run and a test. */
export interface ClientPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly dial: Dial;
  /** Keeps the process alive until the returned function is called. */
  readonly hold: () => () => void;
  /** Where memberships of consumer groups are kept up; default: inline, beside everything else. */
  readonly startMembershipHost?: StartMembershipHost;
}

export const systemPorts: ClientPorts = { clock: systemClock, random: systemRandom, dial, hold: holdProcess, startMembershipHost: workerHost };

/** Resolves after `delayMs`, or at once when `signal` is or becomes aborted. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      timer.cancel();
      unhook();
      resolve();
    };
    const timer = clock.after(delayMs, done);
    const unhook = onAbort(signal, done);
  });
}

/** `work`, or the signal's reason if that comes first. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    const unhook = onAbort(signal, abort);
    work.then(resolve, reject).finally(unhook);
  });
}
