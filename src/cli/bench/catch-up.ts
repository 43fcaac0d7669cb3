/** How fast a broker that was down gets what it missed, and what that does to those who produce meanwhile. */
import { QuireError } from "../../base/errors.js";
import { machineMonotonicMs } from "../../base/system-ports.js";
import type { BrokerProcess } from "../local/broker-process.js";
import { tell } from "../output.js";
import { folderBytes } from "./folder-bytes.js";
import { inMegabytes } from "./free-room.js";
import { Load } from "./load.js";
import { type Found, measure, runBench, watch } from "./run.js";
import type { Stage } from "./stage.js";
import { catchUp, type Observed } from "./statistics.js";
import {
  checkedPlace,
  type PlaceArgs,
  type ProducingArgs,
  produceJobs,
  refuse,
  stretchOf,
  type TimingArgs,
  type TopicArgs,
  timingOf,
  topicOptionsOf,
} from "./workload.js";

type CatchUpArgs = PlaceArgs & TopicArgs & ProducingArgs & TimingArgs & { readonly down: string };

/** What may be under way to a follower that has caught up: so much time's worth, and a little. */
const SLACK_MS = 300;
const SLACK_BYTES = 1024 * 1024;
const CATCH_UP_MS_MAX = 600_000;
/** Files grow and go by as much as this at a time, whatever is caught up with. */
const TELLING_BYTES = 64e6;

export const benchCatchUp = (args: CatchUpArgs): Promise<void> =>
  runBench({
    mode: "catch-up",
    place: checkedPlace(args, { owns: true, least: 2 }),
    args,
    jobs: (target) => {
      if (args.replicas === 1) refuse("--replicas 1 leaves no follower to catch up; give 2 or more");
      return { timing: timingOf(args), downMs: stretchOf("down", args.down), producing: produceJobs(args, target) };
    },
    run: async (stage, { timing: { warmUpMs, ms }, downMs, producing }): Promise<Found> => {
      await stage.createTopic(topicOptionsOf(args));
      const follower = await leastLeading(stage);
      const load = await Load.start(stage, producing);
      await watch(stage, load, { what: "warming up", ms: warmUpMs });
      const before = await measure(stage, load, "before", () => watch(stage, load, { what: "before", ms }));
      follower.signal("SIGKILL");
      await follower.gone();
      const grownFrom = leadBytes(stage, follower);
      const down = await measure(stage, load, "down", () => watch(stage, load, { what: `broker ${follower.nodeId} is down`, ms: downMs }));
      const producedBytesPerSecond = (leadBytes(stage, follower) - grownFrom) / down.seconds;
      const observed: Observed[] = [];
      await follower.start();
      const observe = (): number => {
        observed.push({ atMs: machineMonotonicMs(), behind: folderBytes(stage.dataFolder(follower.nodeId)), ahead: leadBytes(stage, follower) });
        return caughtUp(observed, producedBytesPerSecond) === undefined ? sharePresent(observed) : 1;
      };
      const catching = await measure(stage, load, "catching up", () =>
        watch(stage, load, { what: `broker ${follower.nodeId} catches up`, ms: CATCH_UP_MS_MAX, share: observe }),
      );
      const reached = caughtUp(observed, producedBytesPerSecond);
      if (reached === undefined) throw new QuireError("NOT_READY", `broker ${follower.nodeId} did not catch up within ${CATCH_UP_MS_MAX / 1e3} s`);
      const missed = producedBytesPerSecond * down.seconds;
      if (missed < TELLING_BYTES)
        tell(`Only ${inMegabytes(missed)} were missed: that says little about how fast it catches up. Give more --rate, --record-bytes or --down.`);
      return {
        phases: [before, down, catching],
        totals: await load.end(),
        figures: {
          caughtUpMs: reached.ms,
          caughtUpMegabytesPerSecond: reached.bytesPerSecond / 1e6,
          caughtUpToProduceRate: producedBytesPerSecond > 0 ? reached.bytesPerSecond / producedBytesPerSecond : undefined,
        },
      };
    },
  });

const caughtUp = (observed: readonly Observed[], bytesPerSecond: number): ReturnType<typeof catchUp> =>
  catchUp(observed, SLACK_BYTES + (bytesPerSecond * SLACK_MS) / 1e3);

/** For people; never quite all. */
const sharePresent = (observed: readonly Observed[]): number => {
  const { behind, ahead } = observed.at(-1) ?? { behind: 0, ahead: 1 };
  return Math.min(0.99, behind / Math.max(1, ahead));
};

/** The broker whose absence changes the least for those who produce: the one that leads the fewest partitions. */
async function leastLeading(stage: Stage): Promise<BrokerProcess> {
  const partitions = await stage.topic.partitions({ signal: stage.signal });
  const ledBy = (nodeId: number): number => partitions.filter(({ leader }) => leader === nodeId).length;
  return stage.cluster.brokers.reduce((least, broker) => (ledBy(broker.nodeId) <= ledBy(least.nodeId) ? broker : least));
}

/** The logs of replicas that are alike are of one size: how far the others are is seen from outside. */
const leadBytes = (stage: Stage, behind: BrokerProcess): number =>
  Math.max(...stage.cluster.brokers.filter((broker) => broker !== behind).map((broker) => folderBytes(stage.dataFolder(broker.nodeId))));
