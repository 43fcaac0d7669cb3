// `npm start`: builds, then `quire dev`, in this very process so that Ctrl-C reaches it alone.
import "./build.mjs";

process.argv.splice(2, 0, "dev");
await import("../dist/src/cli/main.js");
