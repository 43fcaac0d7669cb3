/** What many partitions cost: to make, when nothing happens, and under a load spread over all of them. */
import { systemClock } from "../../base/system-ports.js";
import { QuireError } from "../../client/index.js";
import { plural } from "../output.js";
import { Load } from "./load.js";
import type { NamedPhase } from "./result.js";
import { during, type Found, measure, NO_RECORDS, rest, runBench } from "./run.js";
import type { Stage } from "./stage.js";
import { per } from "./statistics.js";
import { steady } from "./steady.js";
import {
  checkedPlace,
  durationOf,
  type PlaceArgs,
  type ProducingArgs,
  produceJobs,
  type TimingArgs,
  type TopicArgs,
  timingOf,
  topicOptionsOf,
} from "./workload.js";

type PartitionsArgs = PlaceArgs & TopicArgs & ProducingArgs & TimingArgs & { readonly settle: string };

const KEYS_PER_PARTITION = 10;
/** Leaders that were elected elsewhere while thousands of partitions were made go to their preferred brokers little by little: until then nothing is idle. */
const LEADERS_MS_MAX = 600_000;
const LEADERS_EVERY_MS = 10_000;

export const benchPartitions = (args: PartitionsArgs): Promise<void> =>
  runBench({
    mode: "partitions",
    place: checkedPlace(args),
    args,
    jobs: (target) => ({
      timing: timingOf(args),
      settleMs: durationOf("settle", args.settle),
      producing: args.rate > 0 ? produceJobs({ ...args, keys: args.keys || args.partitions * KEYS_PER_PARTITION }, target) : [],
    }),
    run: async (stage, { timing, settleMs, producing }): Promise<Found> => {
      const { ms } = timing;
      const idle = await Load.start(stage, []);
      const empty = await measure(stage, idle, "without the topic", () => rest(stage, "without the topic", Math.min(ms, settleMs)));
      const beginMs = systemClock.monotonicMs();
      await during(`making ${plural(args.partitions, "partition")}`, stage.createTopic(topicOptionsOf(args)));
      const createMs = systemClock.monotonicMs() - beginMs;
      const movedMs = stage.ownsCluster ? await during("until each preferred broker leads", untilLeadersRest(stage)) : undefined;
      await rest(stage, "settling", settleMs);
      const quiet = await measure(stage, idle, "idle", () => rest(stage, "idle", ms));
      const loaded = producing.length > 0 ? await steady(stage, producing, timing, args.rate) : { phases: [], totals: NO_RECORDS };
      return {
        phases: [empty, quiet, ...loaded.phases],
        totals: loaded.totals,
        figures: {
          ...loaded.figures,
          createMs,
          ...(movedMs !== undefined && { leadersMovedMs: movedMs }),
          idleCpuShareMax: mostOf(quiet, "cpuShare"),
          residentBytesPerPartition: memoryPerPartition(empty, quiet, args.partitions),
        },
      };
    },
  });

/** Until each partition is led by its preferred broker; how long that took. @throws QuireError DEADLINE */
async function untilLeadersRest(stage: Stage): Promise<number> {
  const beginMs = systemClock.monotonicMs();
  for (;;) {
    const { partitionStates } = await stage.topic.describe();
    const misplaced = partitionStates.filter(({ leader, replicas }) => leader !== replicas[0]).length;
    const spentMs = systemClock.monotonicMs() - beginMs;
    if (misplaced === 0) return spentMs;
    if (spentMs > LEADERS_MS_MAX) throw new QuireError("DEADLINE", `${misplaced} partitions are not led by their preferred brokers after ${spentMs} ms`);
    await stage.wait(LEADERS_EVERY_MS);
  }
}

const mostOf = ({ processes }: NamedPhase, field: "cpuShare" | "residentBytes"): number | undefined => {
  const values = processes.flatMap((each) => each[field] ?? []);
  return values.length === 0 ? undefined : Math.max(...values);
};

/** Of the broker that grew most. */
function memoryPerPartition(before: NamedPhase, after: NamedPhase, partitions: number): number | undefined {
  const grown = after.processes.flatMap(({ name, residentBytes }) => {
    const was = before.processes.find((each) => each.name === name);
    return was === undefined ? [] : [residentBytes - was.residentBytes];
  });
  return grown.length === 0 ? undefined : per(Math.max(...grown), partitions);
}
