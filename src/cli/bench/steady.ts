/** A load that runs in, is measured for a while, and ends. */
import type { Totals } from "./load.js";
import { Load } from "./load.js";
import { type Found, measure, watch } from "./run.js";
import type { Stage } from "./stage.js";
import type { Job } from "./worker-messages.js";
import type { Timing } from "./workload.js";

/** @param rate records per second that were wanted; 0: as many as can be */
export async function steady(stage: Stage, jobs: readonly Job[], { warmUpMs, ms }: Timing, rate = 0): Promise<Found> {
  const load = await Load.start(stage, jobs);
  await watch(stage, load, { what: "warming up", ms: warmUpMs });
  const phase = await measure(stage, load, "measured", () => watch(stage, load, { what: "measuring", ms }));
  const figures = rate > 0 && phase.acknowledged !== undefined ? { acknowledgedOfWanted: phase.acknowledged.recordsPerSecond / rate } : {};
  return { phases: [phase], totals: await load.end(), figures };
}

const FILL_MS_MAX = 3_600_000;

/** Fills the topic, as fast as it can, with at least so many bytes of records. */
export async function fill(
  stage: Stage,
  jobs: readonly Job[],
  bytes: number,
): Promise<{ readonly totals: Totals; readonly megabytesPerSecond: number | undefined }> {
  const load = await Load.start(stage, jobs);
  const phase = await measure(stage, load, "filling", () =>
    watch(stage, load, { what: "filling", ms: FILL_MS_MAX, share: () => load.now("produce").bytes / bytes }),
  );
  return { totals: await load.end(), megabytesPerSecond: phase.acknowledged?.megabytesPerSecond };
}
