/** How long a broker with a large log takes to serve again, after a polite end and after SIGKILL. */
import { machineMonotonicMs } from "../../base/system-ports.js";
import type { BrokerProcess } from "../local/broker-process.js";
import { folderBytes } from "./folder-bytes.js";
import { Load } from "./load.js";
import { during, type Found, measure, runBench } from "./run.js";
import type { Stage } from "./stage.js";
import { fill } from "./steady.js";
import { checkedPlace, type FillArgs, type PlaceArgs, type ProducingArgs, produceJobs, sizeOf, type TopicArgs, topicOptionsOf } from "./workload.js";

type RecoveryArgs = PlaceArgs & TopicArgs & ProducingArgs & FillArgs;

export const benchRecovery = (args: RecoveryArgs): Promise<void> =>
  runBench({
    mode: "recovery",
    place: checkedPlace(args, { owns: true }),
    args,
    jobs: (target) => ({ bytes: sizeOf("bytes", args.bytes), filling: produceJobs(args, target) }),
    run: async (stage, { bytes, filling }): Promise<Found> => {
      stage.checkRoom(bytes, args.replicas);
      await stage.createTopic(topicOptionsOf(args));
      const filled = await fill(stage, filling, bytes);
      const broker = stage.cluster.broker(stage.place.cluster);
      const logBytes = folderBytes(stage.dataFolder(broker.nodeId));
      await broker.stop();
      const stopped = await during("restart after a stop", restart(stage, broker));
      broker.signal("SIGKILL");
      await broker.gone();
      const killed = await during("restart after SIGKILL", restart(stage, broker));
      const idle = await Load.start(stage, []);
      const after = await measure(stage, idle, "after", async () => {});
      return {
        phases: [after],
        totals: filled.totals,
        figures: {
          logBytes,
          fillMegabytesPerSecond: filled.megabytesPerSecond,
          stoppedListensMs: stopped.listensMs,
          stoppedWholeMs: stopped.wholeMs,
          killedListensMs: killed.listensMs,
          killedWholeMs: killed.wholeMs,
        },
      };
    },
  });

async function restart(stage: Stage, broker: BrokerProcess): Promise<{ readonly listensMs: number; readonly wholeMs: number }> {
  const beginMs = machineMonotonicMs();
  await broker.start();
  const listensMs = machineMonotonicMs() - beginMs;
  await stage.untilWhole();
  return { listensMs, wholeMs: machineMonotonicMs() - beginMs };
}
