/** How fast records are taken. */
import { runBench } from "./run.js";
import { steady } from "./steady.js";
import { type PlaceArgs, type ProducingArgs, placeOf, produceJobs, type TimingArgs, type TopicArgs, topicOptionsOf } from "./workload.js";

export const benchProduce = (args: PlaceArgs & TopicArgs & ProducingArgs & TimingArgs): Promise<void> =>
  runBench({
    mode: "produce",
    place: placeOf(args),
    args,
    jobs: (target) => produceJobs(args, target),
    run: async (stage, jobs) => {
      await stage.createTopic(topicOptionsOf(args));
      return await steady(stage, jobs, args);
    },
  });
