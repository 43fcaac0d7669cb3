/** How fast a topic is read from its start, and what that does to those who produce meanwhile. */
import { writeFileSync } from "node:fs";
import { QuireError } from "../../base/errors.js";
import { machineMonotonicMs } from "../../base/system-ports.js";
import { Load } from "./load.js";
import { during, type Found, measure, runBench, watch } from "./run.js";
import type { Stage } from "./stage.js";
import { fill } from "./steady.js";
import {
  type ConsumingArgs,
  checkedPlace,
  consumeJobs,
  type FillArgs,
  type PlaceArgs,
  type ProducingArgs,
  produceJobs,
  sizeOf,
  type Timing,
  type TimingArgs,
  type TopicArgs,
  timingOf,
  topicOptionsOf,
} from "./workload.js";

type ConsumeArgs = PlaceArgs & TopicArgs & ProducingArgs & ConsumingArgs & TimingArgs & FillArgs & { readonly cold: boolean; readonly "drop-caches": boolean };

export const benchConsume = (args: ConsumeArgs): Promise<void> =>
  runBench({
    mode: "consume",
    place: checkedPlace(args, { owns: args.cold || args["drop-caches"] }),
    args,
    jobs: (target) => ({
      timing: timingOf(args),
      bytes: sizeOf("bytes", args.bytes),
      filling: produceJobs({ ...args, rate: 0 }, target),
      producing: args.rate > 0 ? produceJobs(args, target) : [],
      consuming: consumeJobs(args.consumers, args.partitions, "earliest", target),
    }),
    run: async (stage, { timing, bytes, filling, producing, consuming }): Promise<Found> => {
      stage.checkRoom(bytes, args.replicas);
      await stage.createTopic(topicOptionsOf(args));
      const filled = await fill(stage, filling, bytes);
      const ends = await stage.ends();
      if (args.cold || args["drop-caches"]) await forgetAll(stage, args["drop-caches"]);
      const load = await Load.start(stage, producing);
      const before = producing.length === 0 ? [] : [await alone(stage, load, timing)];
      await load.add(consuming);
      const written = Object.values(ends).reduce((sum, end) => sum + end, 0);
      let readSeconds = 0;
      const phase = await measure(stage, load, "reading", async () => {
        const beginMs = machineMonotonicMs();
        load.begin();
        await during("reading", load.read(ends), () => load.now("consume").records / Math.max(1, written));
        readSeconds = (machineMonotonicMs() - beginMs) / 1e3;
      });
      const totals = await load.end();
      const missing = Math.max(0, written - totals.consumed);
      return {
        phases: [...before, phase],
        totals: { ...totals, acknowledged: totals.acknowledged + filled.totals.acknowledged, failed: totals.failed + filled.totals.failed, missing },
        figures: { fillMegabytesPerSecond: filled.megabytesPerSecond, readSeconds },
      };
    },
  });

/** Those who produce, before anybody reads. */
async function alone(stage: Stage, load: Load, { warmUpMs, ms }: Timing): ReturnType<typeof measure> {
  await watch(stage, load, { what: "warming up", ms: warmUpMs });
  return await measure(stage, load, "before", () => watch(stage, load, { what: "before", ms }));
}

/** Starts the brokers anew, so that nothing is in their memory; and, if wanted, nothing in that of the system either. @throws QuireError INVALID_FIELD */
async function forgetAll(stage: Stage, alsoTheSystem: boolean): Promise<void> {
  await stage.cluster.stop();
  if (alsoTheSystem) dropCaches();
  await Promise.all(stage.cluster.brokers.map((broker) => broker.start()));
  await stage.untilWhole();
}

function dropCaches(): void {
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "1");
  } catch (cause) {
    throw new QuireError("INVALID_FIELD", "--drop-caches empties the page cache of this whole machine, which takes Linux, and root", { cause });
  }
}
