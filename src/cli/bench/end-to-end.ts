/** Producing and consuming at the same time: how much comes through, and how late each record arrives. */
import { runBench } from "./run.js";
import { steady } from "./steady.js";
import {
  type ConsumingArgs,
  checkedPlace,
  consumeJobs,
  type PlaceArgs,
  type ProducingArgs,
  produceJobs,
  refuse,
  type TimingArgs,
  type TopicArgs,
  timingOf,
  topicOptionsOf,
} from "./workload.js";

type EndToEndArgs = PlaceArgs & TopicArgs & ProducingArgs & ConsumingArgs & TimingArgs;

/** As fast as it can, or at a fixed rate: that is what `latency` is. */
export const benchEndToEnd = (mode: "end-to-end" | "latency", args: EndToEndArgs): Promise<void> =>
  runBench({
    mode,
    place: checkedPlace(args),
    args,
    jobs: (target) => {
      if (mode === "latency" && args.rate < 1) refuse("records are late at a --rate of 1 or more; as fast as can be is what end-to-end measures");
      return {
        timing: timingOf(args),
        working: [...consumeJobs(args.consumers, args.partitions, "latest", target), ...produceJobs(args, target)],
      };
    },
    run: async (stage, { timing, working }) => {
      await stage.createTopic(topicOptionsOf(args));
      return await steady(stage, working, timing, args.rate);
    },
  });
