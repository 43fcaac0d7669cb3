import { command } from "../command.js";
import { ExitCode } from "../exit-codes.js";
import { fileOption, resolveFrom, settingOptions } from "../setting-options.js";

export const serverCommand = command({
  usage: "server",
  summary: "Run one broker, in the foreground",
  options: { config: fileOption, ...settingOptions },
  examples: [
    ["$0 server", "a cluster of one broker, on 127.0.0.1:9701"],
    ["$0 server --config quire.yaml", "settings from a file"],
    ["$0 server --node-id 1 --peers 1@a:9801,2@b:9801,3@c:9801 --listen a:9701 --peer-listen a:9801", "one of three"],
  ],
  async run(args) {
    try {
      await serve(args);
    } finally {
      // A channel to the parent would keep this process, also one that was refused at its start.
      if (process.connected === true) process.disconnect();
    }
  },
});

/** Runs a broker until it is asked to stop. @throws QuireError why it did not start, or cannot go on */
async function serve(args: Parameters<typeof resolveFrom>[0]): Promise<void> {
  const { config } = await resolveFrom(args, process.env);
  const { createLogger } = await import("../../observe/logger.js");
  const logger = createLogger(config.log);
  stopAtBugs((error) => logger.error({ error }, "this is a bug: the broker stops, because going on might lie"));
  const stop = stopRequest();
  const { startBroker } = await import("../../node/broker.js");
  const broker = await startBroker(config, { logger, signal: stop.signal }).catch((thrown: unknown) => {
    // Asked to stop before it had started, it has stopped.
    if (stop.signal.aborted) return undefined;
    throw thrown;
  });
  if (broker === undefined) return;
  // Whoever started this process as a child waits for it.
  process.send?.({ kind: "ready" });
  const failure = await Promise.race([broker.failed, stop.requested]);
  if (failure === undefined) logger.info({}, "stopping");
  else logger.error({ error: failure }, "this broker cannot go on");
  await broker.stop();
  logger.info({}, "stopped");
  if (failure !== undefined) throw failure;
}

/** Asked for by the first signal, or by the end of the parent that holds a channel to this process; the second signal ends it at once. */
function stopRequest(): { readonly signal: AbortSignal; readonly requested: Promise<undefined> } {
  const controller = new AbortController();
  const { signal } = controller;
  const onSignal = (): void => {
    if (signal.aborted) process.exit(ExitCode.interrupted);
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.once("disconnect", () => controller.abort());
  return { signal, requested: new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined))) };
}

/** A broken invariant, or an error that nobody took: the state can no longer be trusted. */
function stopAtBugs(report: (error: unknown) => void): void {
  const stop = (error: unknown): void => {
    report(error);
    process.exit(ExitCode.bug);
  };
  process.on("uncaughtException", stop);
  process.on("unhandledRejection", stop);
}
