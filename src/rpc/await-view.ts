import type { Clock } from "../base/ports.js";
import type { ClusterView } from "../cluster/view.js";

/** Resolves at the first change of the view after which `shows` holds, after `waitMs` at the latest, or when the caller gave up. */
export function awaitView(
  { view, clock }: { readonly view: ClusterView; readonly clock: Clock },
  waitMs: number,
  signal: AbortSignal,
  shows: () => boolean,
): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      unwatch();
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const unwatch = view.watch(() => {
      if (shows()) end();
    });
    const timer = clock.after(waitMs, end);
    signal.addEventListener("abort", end, { once: true });
  });
}
