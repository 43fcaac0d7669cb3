/**
 * Keeps reality out of a run: clocks, timers and chance of the system throw until it is released. The linter forbids them in src/; this
 * also catches what a library does.
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
  { owner: globalThis, name: "globalThis", members: TIMERS },
  { owner: timers, name: "timers", members: TIMERS },
  { owner: timersPromises, name: "timers/promises", members: TIMERS },
  { owner: Math, name: "Math", members: ["random"] },
  { owner: performance, name: "performance", members: ["now"] },
  { owner: process, name: "process", members: ["hrtime", "uptime"] },
  { owner: AbortSignal, name: "AbortSignal", members: ["timeout"] },
  { owner: crypto, name: "crypto", members: ["randomUUID", "randomBytes", "randomInt", "randomFillSync", "randomFill"] },
  { owner: globalThis.crypto, name: "globalThis.crypto", members: ["randomUUID", "getRandomValues"] },
];

const forbidden =
  (what: string): Callable =>
  () => {
    throw new Error(`${what} was called in a simulation: it has clocks, timers and chance of its own (base/ports)`);
  };

/** `new Date(2026, …)` is fine; `new Date()` is not. */
function dateWithoutNow(original: DateConstructor): DateConstructor {
  return new Proxy(original, {
    apply: forbidden("Date()"),
    construct: (target, values, newTarget) => (values.length === 0 ? forbidden("new Date()")() : Reflect.construct(target, values, newTarget)) as object,
    get: (target, name) => (name === "now" ? forbidden("Date.now") : Reflect.get(target, name)),
  });
}

function replace(owner: object, member: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, member);
  Object.defineProperty(owner, member, { value, configurable: true, writable: true, enumerable: before?.enumerable ?? false });
  return () => {
    if (before === undefined) Reflect.deleteProperty(owner, member);
    else Object.defineProperty(owner, member, before);
  };
}

const UNCAUGHT = ["unhandledRejection", "uncaughtException"] as const;

let isForbidden = false;

/** Returns what ends it. `uncaught` is told of errors and rejections that nobody caught, which would end the real process. */
export function forbidReality(uncaught: (error: unknown) => void): () => void {
  if (isForbidden) throw new Error("one simulation runs at a time in a process");
  isForbidden = true;
  const undo = PLACES.flatMap(({ owner, name, members }) => members.map((member) => replace(owner, member, forbidden(`${name}.${member}`))));
  undo.push(replace(globalThis, "Date", dateWithoutNow(Date)));
  syncBuiltinESMExports();
  for (const event of UNCAUGHT) process.on(event, uncaught);
  return () => {
    for (const event of UNCAUGHT) process.off(event, uncaught);
    for (const each of undo.reverse()) each();
    syncBuiltinESMExports();
    isForbidden = false;
  };
}
