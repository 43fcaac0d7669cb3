/** How fast records are taken. */
import { runBench } from "./run.js";
import { steady } from "./steady.js";
import { checkedPlace, type PlaceArgs, type ProducingArgs, produceJobs, type TimingArgs, type TopicArgs, timingOf, topicOptionsOf } from "./workload.js";

export const benchProduce = (args: PlaceArgs & TopicArgs & ProducingArgs & TimingArgs): Promise<void> =>
  runBench({
    mode: "produce",
    place: checkedPlace(args),
    args,
    jobs: (target) => ({ timing: timingOf(args), producing: produceJobs(args, target) }),
    run: async (stage, { timing, producing }) => {
      await stage.createTopic(topicOptionsOf(args));
      return await steady(stage, producing, timing, args.rate);
    },
  });
