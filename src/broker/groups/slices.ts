import type { Clock } from "../../base/ports.js";
import type { Sliced } from "./assignment.js";

/** So long one group may keep all others waiting. */
const SLICE_MS = 4;

/** Carries out a sliced calculation; others have a turn every few milliseconds. */
export async function inSlices<T>(clock: Clock, sliced: Sliced<T>): Promise<T> {
  let untilMs = clock.monotonicMs() + SLICE_MS;
  for (;;) {
    const step = sliced.next();
    if (step.done === true) return step.value;
    if (clock.monotonicMs() < untilMs) continue;
    await new Promise<void>((resolve) => clock.soon(resolve));
    untilMs = clock.monotonicMs() + SLICE_MS;
  }
}
