import { resolve } from "node:path";
import { QuireError } from "../../base/errors.js";
import { systemClock } from "../../base/system-ports.js";
import { command } from "../command.js";
import { ExitCode } from "../exit-codes.js";
import type { BrokerProcess } from "../local/broker-process.js";
import { LocalCluster } from "../local/local-cluster.js";
import { attention } from "../local/log-lines.js";
import { untilWhole } from "../local/until-whole.js";
import { plural, print, table, tell } from "../output.js";

const BROKERS = 3;
const PORT_BASE = 9701;
const FORM_TIMEOUT_MS = 30_000;

export const devCommand = command({
  usage: "dev",
  summary: "Run a cluster of three brokers on this machine, in the foreground",
  options: {
    data: { type: "string", requiresArg: true, default: ".quire", describe: "Where everything is kept, between runs too" },
    "port-base": { type: "number", requiresArg: true, default: PORT_BASE, describe: "First of three ports for clients; brokers use those 100 above" },
    verbose: { type: "boolean", default: false, describe: "Show everything the brokers log, not only warnings" },
  },
  examples: [
    ["$0 dev", "three brokers, data in ./.quire"],
    ["$0 dev --data /tmp/try --port-base 19701", "another cluster beside it"],
  ],
  async run(args) {
    const portBase = checkPortBase(args["port-base"]);
    const folder = resolve(args.data);
    const startMs = systemClock.monotonicMs();
    const stop = stopRequest();
    const cluster = await LocalCluster.start({
      folder,
      brokers: BROKERS,
      portBase,
      onLine: (nodeId, line) => {
        const text = args.verbose ? line : attention(line);
        if (text !== undefined) tell(`broker ${nodeId}: ${text}`);
      },
      onDeath: sayDeath,
    }).catch((thrown: unknown) => {
      // A terminal's Ctrl-C reaches the brokers too: asked to stop before they had started, they have not started.
      if (stop.signal.aborted) return undefined;
      throw thrown;
    });
    if (cluster === undefined) return tell("Stopped before it had started.");
    try {
      await Promise.race([untilWhole(cluster.addresses, BROKERS, FORM_TIMEOUT_MS, stop.signal), stop.requested]);
      if (stop.signal.aborted) return;
      sayReady(cluster, folder, systemClock.monotonicMs() - startMs);
      await Promise.race([stop.requested, Promise.all(cluster.brokers.map((broker) => broker.gone()))]);
    } finally {
      tell("Stopping …");
      const politely = await cluster.stop();
      tell(politely ? `Stopped. The data stays in ${folder}.` : "Stopped; a broker that did not end by itself was killed.");
    }
  },
});

/** @throws QuireError INVALID_FIELD */
function checkPortBase(portBase: number): number {
  if (Number.isInteger(portBase) && portBase >= 1 && portBase <= 65_400) return portBase;
  throw new QuireError("INVALID_FIELD", `--port-base ${portBase} is not a port from 1 to 65400`);
}

/** The first Ctrl-C; at the second this process ends at once, and its brokers notice. */
function stopRequest(): { readonly signal: AbortSignal; readonly requested: Promise<void> } {
  const controller = new AbortController();
  const requested = new Promise<void>((done) => {
    const onSignal = (): void => {
      if (controller.signal.aborted) process.exit(ExitCode.interrupted);
      // First, so that whoever waits for both hears of the request and not of what it aborted.
      done();
      controller.abort();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
  return { signal: controller.signal, requested };
}

function sayReady(cluster: LocalCluster, folder: string, tookMs: number): void {
  const [address = ""] = cluster.addresses;
  const flag = address.endsWith(`:${PORT_BASE}`) ? "" : ` --brokers ${address}`;
  print(`Quire runs: ${plural(cluster.brokers.length, "broker")}, ready after ${(tookMs / 1000).toFixed(1)} s. Data and logs: ${folder}\n`);
  print(
    table(
      ["BROKER", "CLIENTS", "PROCESS", "LOG"],
      cluster.brokers.map((broker) => [broker.nodeId, broker.address, broker.pid, broker.logFile]),
    ),
  );
  print(`
Try next, in another terminal (npx quire in a clone, quire once installed):

  quire topic create orders --partitions 6${flag}
  seq 10 | quire produce orders${flag}
  quire consume orders --count 10${flag}
  quire topic explain orders${flag}
  kill -9 ${cluster.brokers[0]?.pid ?? 0}       and see that producing and consuming go on

Ctrl-C stops it.`);
}

function sayDeath(broker: BrokerProcess, how: string, others: readonly BrokerProcess[]): void {
  const left = others.filter((other) => other.isRunning).length;
  tell(`Broker ${broker.nodeId} died (${how}); ${left === 0 ? "none is" : `${left === 1 ? "1 is" : `${left} are`}`} left. Its log: ${broker.logFile}`);
  if (left > 0) tell(`Start it again, in another terminal: ${broker.commandLine}`);
}
