import type { Logger } from "./ports.js";

/** A logger that says nothing, for embedding and tests. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};
