/** Runs the seeds that its parent sends, one after the other. */
import type { PlanOptions } from "../../test/simulation/run/plan.js";
import { Simulation } from "../../test/simulation/run/simulation.js";
import type { Tally } from "../../test/simulation/run/tally.js";

export interface Task extends PlanOptions {
  readonly seed: number;
}

export interface Answer {
  readonly tally: Tally;
  readonly hash: string;
  /** What was violated, if anything was. */
  readonly report: string | undefined;
}

const STACK_LINES = 10;

process.on("message", (task: Task) => {
  const answer = async (): Promise<Answer> => {
    Error.stackTraceLimit = 0;
    const { tally, hash, violation } = await new Simulation(task).run();
    if (violation === undefined) return { tally, hash, report: undefined };
    // The same once more, with stacks: to gather them for every refusal is dear, and only a violation's report shows any.
    Error.stackTraceLimit = STACK_LINES;
    const again = await new Simulation(task).run();
    return { tally, hash, report: (again.violation ?? violation).report() };
  };
  answer().then(
    (result) => process.send?.(result),
    (thrown: unknown) => {
      console.error(thrown);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));
