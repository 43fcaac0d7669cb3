import type { Clock } from "../../src/base/ports.js";
import { systemClock } from "../../src/base/system-ports.js";

/** A clock whose pauses are over in the next turn. */
export const hurriedClock = (): Clock => ({
  ...systemClock,
  after: (_, run) => {
    setImmediate(run);
    return { cancel() {} };
  },
});
