import { Worker } from "node:worker_threads";
import type { StartMembershipHost } from "./membership-messages.js";

/** It moves a few small messages a second: more memory than that would be waste. */
const MEMORY = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 };

/** A host in a thread of its own, which does not keep the process alive. */
export const workerHost: StartMembershipHost = (heard, failed) => {
  const worker = new Worker(new URL("./membership-worker.js", import.meta.url), { name: "quire membership", execArgv: [], resourceLimits: MEMORY });
  let isClosed = false;
  worker.unref();
  worker.on("message", heard);
  worker.on("error", (why) => {
    if (!isClosed) failed(why);
    isClosed = true;
  });
  worker.on("exit", (code) => {
    if (!isClosed) failed(new Error(`the thread ended with exit code ${code}`));
    isClosed = true;
  });
  return {
    post: (message) => worker.postMessage(message),
    close: () => {
      isClosed = true;
      void worker.terminate();
    },
  };
};
