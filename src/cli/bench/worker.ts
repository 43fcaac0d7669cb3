/** A producer or consumer of a benchmark in a process of its own, so that one event loop does not disturb what it measures. */
import { unreachable } from "../../base/assert.js";
import { toQuireError } from "../../base/errors.js";
import { systemClock } from "../../base/system-ports.js";
import { ConsumeWorker } from "./consume-worker.js";
import { ProduceWorker } from "./produce-worker.js";
import type { FromWorker, Job, ToWorker } from "./worker-messages.js";

const REPORT_EVERY_MS = 250;

const say = (message: FromWorker): void => {
  process.send?.(message);
};

function fail(thrown: unknown): void {
  const { reason, message } = toQuireError(thrown);
  process.send?.({ say: "failed", reason, message } satisfies FromWorker, () => process.exit(1));
}

const open = (job: Job): Promise<ProduceWorker | ConsumeWorker> => (job.kind === "produce" ? ProduceWorker.open(job) : ConsumeWorker.open(job));

let worker: ProduceWorker | ConsumeWorker | undefined;

async function begin(begun: ProduceWorker | ConsumeWorker): Promise<void> {
  const timer = systemClock.every(REPORT_EVERY_MS, () => say({ say: "report", asked: false, report: begun.tally.report({ asked: false }) }));
  await begun.run();
  timer.cancel();
  say({ say: "done", report: begun.tally.report({ asked: false }) });
}

process.on("message", (message: ToWorker) => {
  switch (message.do) {
    case "job":
      open(message.job).then((opened) => {
        worker = opened;
        say({ say: "ready" });
      }, fail);
      break;
    case "begin":
      if (worker !== undefined) begin(worker).catch(fail);
      break;
    case "report":
      if (worker !== undefined) say({ say: "report", asked: true, report: worker.tally.report({ asked: true }) });
      break;
    case "stop":
      worker?.stop(message.ends);
      break;
    default:
      unreachable(message);
  }
});
// The conductor ends its workers; Ctrl-C reaches them too, before it could.
process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit(0));
