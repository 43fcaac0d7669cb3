/**
 * Keeps reality out of a run: while one goes on, clocks, timers and chance of the system throw. The linter forbids them in src/; this also
 * catches what a library does.
 */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import timers from "node:timers";
import timersPromises from "node:timers/promises";

/** What the kernel itself and whoever measures a run may still use. */
export const real = {
  setImmediate: globalThis.setImmediate,
  now: performance.now.bind(performance),
};

type Callable = (...values: never[]) => unknown;

const TIMERS = ["setTimeout", "setInterval", "setImmediate"] as const;
const PLACES: readonly { readonly owner: object; readonly name: string; readonly members: readonly string[] }[] = [
  { owner: globalThis, name: "globalThis", members: [...TIMERS, "Date"] },
  // Node itself takes `setImmediate` from there when it tells of an uncaught error.
  { owner: timers, name: "timers", members: ["setTimeout", "setInterval"] },
  { owner: timersPromises, name: "timers/promises", members: TIMERS },
  { owner: Date, name: "Date", members: ["now"] },
  { owner: Math, name: "Math", members: ["random"] },
  { owner: performance, name: "performance", members: ["now"] },
  { owner: process.hrtime, name: "process.hrtime", members: ["bigint"] },
  { owner: process, name: "process", members: ["hrtime", "uptime"] },
  { owner: AbortSignal, name: "AbortSignal", members: ["timeout"] },
  { owner: crypto, name: "crypto", members: ["randomUUID", "randomBytes", "randomInt", "randomFillSync", "randomFill"] },
  { owner: globalThis.crypto, name: "globalThis.crypto", members: ["randomUUID", "getRandomValues"] },
];
const UNCAUGHT = ["unhandledRejection", "uncaughtException"] as const;

let isInstalled = false;
let isForbidden = false;

function refuse(what: string): void {
  if (isForbidden) throw new Error(`${what} was called in a simulation: it has clocks, timers and chance of its own (base/ports)`);
}

/** Refuses during a run, and is the original otherwise. `new Date(2026, …)` is always fine; `new Date()` is not. */
const guarded = (original: Callable, what: string): Callable =>
  new Proxy(original, {
    apply: (target, self, values) => {
      refuse(what);
      return Reflect.apply(target, self, values);
    },
    construct: (target, values, newTarget) => {
      if (values.length === 0) refuse(`new ${what}()`);
      return Reflect.construct(target, values, newTarget) as object;
    },
  });

/** Once, and for good: to exchange what modules export takes half a millisecond, too long for every run. */
function install(): void {
  isInstalled = true;
  for (const { owner, name, members } of PLACES) {
    for (const member of members) {
      const original = Reflect.get(owner, member) as Callable;
      const enumerable = Object.getOwnPropertyDescriptor(owner, member)?.enumerable ?? false;
      Object.defineProperty(owner, member, { value: guarded(original, `${name}.${member}`), configurable: true, writable: true, enumerable });
    }
  }
  syncBuiltinESMExports();
}

/** Returns what ends it. `uncaught` is told of errors and rejections that nobody caught, which would end the real process. */
export function forbidReality(uncaught: (error: unknown) => void): () => void {
  if (isForbidden) throw new Error("one simulation runs at a time in a process");
  if (!isInstalled) install();
  isForbidden = true;
  for (const event of UNCAUGHT) process.on(event, uncaught);
  return () => {
    for (const event of UNCAUGHT) process.off(event, uncaught);
    isForbidden = false;
  };
}
