// `npm run sim -- [--seed N | --seeds A..B] [options]`: builds, then runs the deterministic simulation.
import "./build.mjs";

await import("../dist/scripts/sim/main.js");
