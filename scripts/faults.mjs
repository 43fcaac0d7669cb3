// `npm run test:faults -- [options]`: builds, then lets real brokers through real faults.
import "./build.mjs";

await import("../dist/test/faults/main.js");
