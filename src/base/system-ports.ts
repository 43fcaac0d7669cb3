/** The ports of a real process: the system's clock, timers and randomness. The only file that touches them. */
import { randomInt, randomUUID } from "node:crypto";
import type { Clock, Random, Timer } from "./ports.js";

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run): Timer {
    const handle = setTimeout(run, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  every(periodMs, run): Timer {
    const handle = setInterval(run, periodMs);
    handle.unref();
    return { cancel: () => clearInterval(handle) };
  },
  soon: (run) => {
    setImmediate(run);
  },
};

export const systemRandom: Random = {
  below: (bound) => randomInt(bound),
  uuid: () => randomUUID(),
};

const [startSeconds, startNanoseconds] = process.hrtime();
const MACHINE_OFFSET_MS = startSeconds * 1e3 + startNanoseconds / 1e6 - performance.now();

/** As `systemClock.monotonicMs`, but from a start that all processes of this machine share: for what begins in one and ends in another. */
export const machineMonotonicMs = (): number => performance.now() + MACHINE_OFFSET_MS;

/** Keeps the process alive until the returned function is called; the clock's own timers do not. */
export function holdProcess(): () => void {
  const handle = setInterval(() => {}, 2 ** 30);
  return () => clearInterval(handle);
}
