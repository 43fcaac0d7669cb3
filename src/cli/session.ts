/** What commands that talk to a cluster share: where it is, how long to try, and a connection that is closed at the end. */
import { QuireError } from "../base/errors.js";
import type { CompressionName, ConnectOptions, Quire } from "../client/index.js";
import { parseDuration } from "../config/units.js";

/** Where `quire dev` listens. */
const DEV_ADDRESSES = ["127.0.0.1:9701", "127.0.0.1:9702", "127.0.0.1:9703"];

export const sessionOptions = {
  brokers: {
    type: "string",
    alias: "b",
    requiresArg: true,
    describe: "Any brokers of the cluster, host:port,…; also QUIRE_BROKERS; default: those of `quire dev`",
  },
  timeout: { type: "string", requiresArg: true, default: "10s", describe: "How long to try" },
} as const;

export const jsonOption = { json: { type: "boolean", default: false, describe: "For programs" } } as const;

export const compressionOption = {
  choices: ["none", "gzip", "lz4", "zstd"],
  default: "none",
  describe: "How the client compresses batches; zstd needs Node 22.15",
} as const satisfies { readonly choices: readonly CompressionName[]; readonly default: CompressionName; readonly describe: string };

/** A request is tried again after this long, within `--timeout`. */
const REQUEST_TIMEOUT_MS_MAX = 10_000;

interface SessionArgs {
  readonly brokers: string | undefined;
  readonly timeout: string;
}

/** @throws QuireError INVALID_SETTING */
function timeoutMs({ timeout }: SessionArgs): number {
  const ms = parseDuration(timeout);
  if (ms === undefined || ms < 100 || ms > 600_000) throw new QuireError("INVALID_SETTING", `--timeout ${timeout} is not a duration from 100ms to 10min`);
  return ms;
}

export const brokersOf = ({ brokers }: Pick<SessionArgs, "brokers">): string[] =>
  (brokers ?? process.env["QUIRE_BROKERS"])?.split(",").map((address) => address.trim()) ?? DEV_ADDRESSES;

/** Connects, runs, closes. The client is loaded only now: `--help` shall not wait for gRPC. */
export async function withQuire<T>(
  args: SessionArgs,
  run: (quire: Quire) => Promise<T>,
  signal?: AbortSignal,
  options: Pick<ConnectOptions, "compression" | "producer"> = {},
): Promise<T> {
  const ms = timeoutMs(args);
  const { connect } = await import("../client/index.js");
  const quire = await connect({
    brokers: brokersOf(args),
    connectTimeoutMs: ms,
    adminTimeoutMs: ms,
    deliveryTimeoutMs: ms,
    requestTimeoutMs: Math.min(ms, REQUEST_TIMEOUT_MS_MAX),
    ...(signal === undefined ? {} : { signal }),
    ...options,
  });
  try {
    return await run(quire);
  } finally {
    await quire.close();
  }
}
