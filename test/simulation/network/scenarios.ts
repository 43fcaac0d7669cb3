import { unaryScenarios } from "./call-scenarios.js";
import { connectionScenarios, shutdownScenarios } from "./connection-scenarios.js";
import type { Scenario } from "./scenario.js";
import { pressureScenarios, streamScenarios } from "./stream-scenarios.js";

/** Each is seen the same on the real transport and on the simulated one: that is why the simulation can be believed. */
export const scenarios: readonly Scenario[] = [...unaryScenarios, ...streamScenarios, ...pressureScenarios, ...connectionScenarios, ...shutdownScenarios];
