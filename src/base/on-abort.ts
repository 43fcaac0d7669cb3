import { setMaxListeners } from "node:events";

/**
 * Calls `run` when the signal aborts, once, unless the returned function is called before. One signal may be waited for in many places (each of
 * ten thousand sends, say): that is no leak, of which Node would warn.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  setMaxListeners(0, signal);
  signal.addEventListener("abort", run, { once: true });
  return () => signal.removeEventListener("abort", run);
}
