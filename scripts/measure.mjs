// `npm run measure -- [stage …]`: builds, then measures failover, start, restart, groups and memory with real processes.
import "./build.mjs";

await import("../dist/scripts/measure/run.js");
