/** Producing and consuming at the same time: how much comes through, and how late each record arrives. */
import { runBench } from "./run.js";
import { steady } from "./steady.js";
import {
  type ConsumingArgs,
  consumeJobs,
  type PlaceArgs,
  type ProducingArgs,
  placeOf,
  produceJobs,
  type TimingArgs,
  type TopicArgs,
  topicOptionsOf,
} from "./workload.js";

type EndToEndArgs = PlaceArgs & TopicArgs & ProducingArgs & ConsumingArgs & TimingArgs;

/** As fast as it can, or at a fixed rate: that is what `latency` is. */
export const benchEndToEnd = (mode: "end-to-end" | "latency", args: EndToEndArgs): Promise<void> =>
  runBench({
    mode,
    place: placeOf(args),
    args,
    jobs: (target) => [...consumeJobs(args.consumers, args.partitions, "latest", target), ...produceJobs(args, target)],
    run: async (stage, jobs) => {
      await stage.createTopic(topicOptionsOf(args));
      return await steady(stage, jobs, args);
    },
  });
