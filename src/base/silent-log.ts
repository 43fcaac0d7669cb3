import type { Log } from "./ports.js";

/** A logger that says nothing, for embedding and tests. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};
