/**
 * Loaded before a broker (`node --import`): its wall clock is the system's plus what a file says, read anew at every SIGUSR2. Only the wall
 * clock: no running system's monotonic clock jumps. That this process, and no other, is shifted needs no privilege and no other library.
 */
import { readFileSync } from "node:fs";

const file = process.env["FAULTS_CLOCK_FILE"];
const System = Date;
let shiftMs = 0;

const shifted = (): number => System.now() + shiftMs;

globalThis.Date = new Proxy(System, {
  apply: () => new System(shifted()).toString(),
  construct: (target, args: unknown[], newTarget) => Reflect.construct(target, args.length === 0 ? [shifted()] : args, newTarget),
  get: (target, name) => (name === "now" ? shifted : Reflect.get(target, name)),
});

process.on("SIGUSR2", () => {
  if (file !== undefined) shiftMs = Number(readFileSync(file, "utf8"));
});
