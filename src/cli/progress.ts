import progressBars from "cli-progress";
import { formatBytes } from "../config/units.js";

/** How far a long piece of work is, for people; on standard error, and only where that is a terminal. */
export interface Progress {
  /** Both counted from the beginning. */
  update(done: { readonly bytes: number; readonly records: number }): void;
  stop(): void;
}

/** `totalBytes`: 0 when it cannot be known. */
export function showProgress({ what, totalBytes }: { what: string; totalBytes: number }): Progress {
  if (process.stderr.isTTY !== true) return { update() {}, stop() {} };
  const known = totalBytes > 0;
  const bar = new progressBars.SingleBar({
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    etaBuffer: 50,
    // A total that is not known makes no bar.
    format: (options, params, payload: { records?: number }) => {
      const records = `${(payload.records ?? 0).toLocaleString("en")} records`;
      if (!known) return `${what}  ${records}  ${Math.round(params.value / 1024).toLocaleString("en")} KiB`;
      const drawn = progressBars.Format.BarFormat(params.progress, options);
      return `${what}  ${drawn}  ${Math.floor(params.progress * 100)}%  ${records} of ${formatBytes(totalBytes)}`;
    },
    barsize: 30,
  });
  bar.start(known ? totalBytes : 1, 0, { records: 0 });
  return {
    update: ({ bytes, records }) => bar.update(bytes, { records }),
    stop: () => bar.stop(),
  };
}

/** The same for work of which only the done share is known. */
export interface ShareProgress {
  /** @param share from 0 to 1 @param text how it goes */
  update(share: number, text: string): void;
  stop(): void;
}

export function showShare({ what }: { what: string }): ShareProgress {
  if (process.stderr.isTTY !== true) return { update() {}, stop() {} };
  const bar = new progressBars.SingleBar({
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    barsize: 30,
    format: (options, params, payload: { text?: string }) => `${what}  ${progressBars.Format.BarFormat(params.progress, options)}  ${payload.text ?? ""}`,
  });
  bar.start(1, 0, { text: "" });
  return {
    update: (share, text) => bar.update(Math.min(1, share), { text }),
    stop: () => bar.stop(),
  };
}

/** The same for work that takes a known time. */
export interface TimedProgress {
  /** @param text how it goes */
  update(doneMs: number, text: string): void;
  stop(): void;
}

export function showTimedProgress({ what, totalMs }: { what: string; totalMs: number }): TimedProgress {
  const progress = showShare({ what });
  return { update: (doneMs, text) => progress.update(doneMs / totalMs, text), stop: () => progress.stop() };
}
