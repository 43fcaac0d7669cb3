/** How long acknowledgements pause when the broker that leads is killed. */
import { Load } from "./load.js";
import type { NamedPhase } from "./result.js";
import { type Found, measure, runBench, watch } from "./run.js";
import type { Stage } from "./stage.js";
import { median } from "./statistics.js";
import type { ProduceJob } from "./worker-messages.js";
import { durationOf, type PlaceArgs, type ProducingArgs, placeOf, produceJobs, type TimingArgs, type TopicArgs, topicOptionsOf } from "./workload.js";

type FailoverArgs = PlaceArgs & TopicArgs & ProducingArgs & TimingArgs & { readonly rounds: number };

/** Records get keys, so that each partition has its share and its own pauses. */
const KEYS_PER_PARTITION = 20;

export const benchFailover = (args: FailoverArgs): Promise<void> =>
  runBench({
    mode: "failover",
    place: placeOf(args, { owns: true }),
    args,
    jobs: (target) => produceJobs({ ...args, keys: args.keys || args.partitions * KEYS_PER_PARTITION }, target),
    run: async (stage, jobs): Promise<Found> => {
      await stage.createTopic(topicOptionsOf(args));
      const phases: NamedPhase[] = [];
      let totals = { acknowledged: 0, consumed: 0, missing: 0, failed: 0, firstFailure: undefined as string | undefined };
      for (let round = 1; round <= args.rounds; round++) {
        const { phase, ended } = await failoverOnce(stage, jobs, `round ${round}`, args);
        phases.push(phase);
        totals = { ...ended, acknowledged: totals.acknowledged + ended.acknowledged, failed: totals.failed + ended.failed };
      }
      const pauses = phases.map(({ longestPauseMs }) => longestPauseMs);
      return { phases, totals, figures: { longestPauseMsMedian: median(pauses), longestPauseMsMax: Math.max(...pauses), longestPausesMs: pauses } };
    },
  });

/** The broker that leads partition 0, and others too, is killed after a third of the time; afterwards it is there again. */
async function failoverOnce(stage: Stage, jobs: readonly ProduceJob[], name: string, args: TimingArgs) {
  const load = await Load.start(stage, jobs);
  await watch(stage, load, { what: "warming up", ms: durationOf("warm-up", args["warm-up"]) });
  const ms = durationOf("duration", args.duration);
  const [state] = await stage.topic.partitions({ signal: stage.signal });
  const leader = stage.cluster.broker(state?.leader ?? 1);
  const phase = await measure(stage, load, name, async () => {
    await watch(stage, load, { what: `${name}, before`, ms: ms / 3 });
    leader.signal("SIGKILL");
    await watch(stage, load, { what: `${name}, broker ${leader.nodeId} killed`, ms: (ms * 2) / 3 });
  });
  const ended = await load.end();
  await leader.start();
  await stage.untilWhole();
  return { phase, ended };
}
