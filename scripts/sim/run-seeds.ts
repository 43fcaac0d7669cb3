import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { showTimedProgress } from "../../src/cli/progress.js";
import { addTally, emptyTally } from "../../test/simulation/run/tally.js";
import type { Failure, Mode, SeedRange, Total } from "./report.js";
import type { Answer, Task } from "./worker.js";

const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));

export interface SeedsOptions {
  readonly range: SeedRange;
  readonly jobs: number;
  readonly minutes: number;
  readonly mode: (seed: number) => Mode;
  readonly pace?: number | undefined;
  readonly brokers?: number | undefined;
  /** Whether the first violation is enough. */
  readonly stopAtFirst?: boolean;
  /** What runs a seed; default: this build's. */
  readonly worker?: string;
}

/** Runs seeds, each in one of a few processes; `onFailure` is told of each violation. */
export async function runSeeds(options: SeedsOptions, onFailure: (failure: Failure) => void): Promise<Total> {
  const { range, jobs, minutes, mode, pace, brokers, stopAtFirst = false, worker = WORKER } = options;
  const startMs = performance.now();
  const tally = emptyTally();
  const progress = showTimedProgress({ what: "seeds", totalMs: range.count });
  let [next, done, violations] = [range.first, 0, 0];
  const isOver = (): boolean => next >= range.first + range.count || (stopAtFirst && violations > 0);
  const work = async (): Promise<void> => {
    const child = fork(worker, { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv: ["--max-semi-space-size=32"] });
    const died = once(child, "exit").then(([code, signal]) => Promise.reject(new Error(`a run's process ended with ${code ?? signal}`)));
    died.catch(() => undefined);
    while (!isOver()) {
      const seed = next++;
      const task: Task = { seed, mode: mode(seed), minutes, pace, brokers };
      child.send(task);
      const [answer] = (await Promise.race([once(child, "message"), died])) as [Answer];
      done += 1;
      addTally(tally, answer.tally);
      if (answer.report !== undefined) {
        violations += 1;
        onFailure({ ...task, report: answer.report });
      }
      progress.update(done, `${done} of ${range.count}, ${violations} violations`);
    }
    child.disconnect();
  };
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, range.count) }, work));
  } finally {
    progress.stop();
  }
  return { seeds: done, violations, tally, realMs: performance.now() - startMs };
}
