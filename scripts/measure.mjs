// `npm run measure -- [stage …]`: builds, then measures failover, start, restart, groups, commits and memory, and strikes consumers, with real processes.
import "./build.mjs";

await import("../dist/scripts/measure/run.js");
