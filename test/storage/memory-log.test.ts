import { after } from "node:test";
import { systemClock } from "../../src/base/system-ports.js";
import { MemoryLog } from "../../src/storage/memory-log.js";
import { logContract } from "./log-contract.js";

const logs: MemoryLog[] = [];
after(() => Promise.all(logs.map((log) => log.close())));

logContract("memory log", async (callbacks, settings) => {
  let nowMs = 1_000_000;
  const log = new MemoryLog({ clock: { ...systemClock, wallMs: () => nowMs }, settings, callbacks });
  logs.push(log);
  return {
    log,
    advance: (ms) => {
      nowMs += ms;
    },
  };
});
