/** How long acknowledgements pause when the broker that leads is killed. */
import { Load } from "./load.js";
import type { NamedPhase } from "./result.js";
import { during, type Found, measure, runBench, watch } from "./run.js";
import type { Stage } from "./stage.js";
import { median } from "./statistics.js";
import type { ProduceJob } from "./worker-messages.js";
import {
  checkedPlace,
  type PlaceArgs,
  type ProducingArgs,
  produceJobs,
  refuse,
  type Timing,
  type TimingArgs,
  type TopicArgs,
  timingOf,
  topicOptionsOf,
} from "./workload.js";

type FailoverArgs = PlaceArgs & TopicArgs & ProducingArgs & TimingArgs & { readonly rounds: number };

/** Records get keys, so that each partition has its share and its own pauses. */
const KEYS_PER_PARTITION = 20;

export const benchFailover = (args: FailoverArgs): Promise<void> =>
  runBench({
    mode: "failover",
    place: checkedPlace(args, { owns: true }),
    args,
    jobs: (target) => {
      if (args.rate < 1 || args.rounds < 1) refuse("pauses are seen at a --rate, in one of the --rounds or more; give at least 1 of both");
      return { timing: timingOf(args), producing: produceJobs({ ...args, keys: args.keys || args.partitions * KEYS_PER_PARTITION }, target) };
    },
    run: async (stage, { timing, producing }): Promise<Found> => {
      await stage.createTopic(topicOptionsOf(args));
      const phases: NamedPhase[] = [];
      const pauses: number[] = [];
      let totals = { acknowledged: 0, consumed: 0, missing: 0, failed: 0, firstFailure: undefined as string | undefined };
      for (let round = 1; round <= args.rounds; round++) {
        const { phase, pauseMs, ended } = await failoverOnce(stage, producing, `round ${round}`, timing);
        phases.push(phase);
        pauses.push(pauseMs);
        totals = { ...ended, acknowledged: totals.acknowledged + ended.acknowledged, failed: totals.failed + ended.failed };
      }
      return { phases, totals, figures: { longestPauseMsMedian: median(pauses), longestPauseMsMax: Math.max(...pauses), longestPausesMs: pauses } };
    },
  });

/** The broker that leads partition 0, and others too, is killed after a third of the time; afterwards it is there again. */
async function failoverOnce(stage: Stage, jobs: readonly ProduceJob[], name: string, { warmUpMs, ms }: Timing) {
  const load = await Load.start(stage, jobs);
  await watch(stage, load, { what: "warming up", ms: warmUpMs });
  const [state] = await stage.topic.partitions({ signal: stage.signal });
  const leader = stage.cluster.broker(state?.leader ?? 1);
  const phase = await measure(stage, load, name, async () => {
    await watch(stage, load, { what: `${name}, before`, ms: ms / 3 });
    leader.signal("SIGKILL");
    await watch(stage, load, { what: `${name}, broker ${leader.nodeId} killed`, ms: (ms * 2) / 3 });
  });
  const pauseMs = load.longestPauseMs;
  const ended = await load.end();
  await during(
    `broker ${leader.nodeId} comes back`,
    leader.start().then(() => stage.untilWhole()),
  );
  return { phase, pauseMs, ended };
}
