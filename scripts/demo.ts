/** `npm run demo`: shows, and proves on the way, that what is acknowledged is kept while brokers are killed. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { table } from "../src/cli/output.js";
import { type DemoResult, runDemo } from "./demo/run.js";

/** A text of many lines that every installation has, whatever the platform. */
const DEFAULT_FILE = fileURLToPath(new URL("../../node_modules/@biomejs/biome/configuration_schema.json", import.meta.url));
const DEFAULT_LINES_MIN = 10_000;

const args = await yargs(hideBin(process.argv))
  .usage("npm run demo -- [options]")
  .options({
    file: { type: "string", requiresArg: true, describe: "Lines to send; default: a file of a dependency with more than 10,000" },
    "port-base": { type: "number", requiresArg: true, describe: "First port for clients; default: any free ones" },
    seconds: { type: "number", requiresArg: true, default: 6, describe: "Sending takes about this long, not counting the waits" },
    keep: { type: "boolean", default: false, describe: "Keep the brokers' data and logs" },
    json: { type: "boolean", default: false, describe: "For programs" },
  })
  .strict()
  .parseAsync();

const lines = readFileSync(args.file ?? DEFAULT_FILE)
  .toString("latin1")
  .split("\n")
  .map((line) => Buffer.from(line, "latin1"));
if (lines.at(-1)?.length === 0) lines.pop();
const linesMin = args.file === undefined ? DEFAULT_LINES_MIN : 30;
if (lines.length < linesMin) {
  console.error(`${args.file ?? DEFAULT_FILE} has ${lines.length} lines; the demonstration needs ${linesMin} or more`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "quire-demo-"));
try {
  const result = await runDemo({
    lines,
    folder,
    sendForMs: args.seconds * 1000,
    say: (text) => console.error(text),
    ...(args["port-base"] === undefined ? {} : { portBase: args["port-base"] }),
  });
  const passed = result.differences.length === 0 && result.readersAgree && result.refused === 0 && result.acknowledged === lines.length;
  if (args.json) console.log(JSON.stringify({ ...result, passed }, null, 2));
  else report(result, passed);
  process.exitCode = passed ? 0 : 1;
} finally {
  if (args.keep) console.error(`Data and logs: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}

function report(result: DemoResult, passed: boolean): void {
  const count = (value: number): string => value.toLocaleString("en");
  console.log(
    table(
      ["KILLED", "AT LINE", "LED PARTITIONS", "PAUSE IN ACKNOWLEDGEMENTS"],
      result.kills.map(({ nodeId, atLine, partitions, pauseMs }) => [
        `broker ${nodeId}`,
        count(atLine),
        partitions.join(", "),
        pauseMs === undefined ? "-" : `${count(Math.round(pauseMs))} ms`,
      ]),
    ),
  );
  console.log(`
lines sent          ${count(result.sent)}
acknowledged        ${count(result.acknowledged)}
refused             ${count(result.refused)}
written twice       ${count(result.duplicates)} (allowed: a send of unknown outcome is tried again)
differences         ${count(result.differences.length)}
both readers agree  ${result.readersAgree ? "yes" : "NO"}
took                ${(result.elapsedMs / 1000).toFixed(1)} s
`);
  for (const difference of result.differences) console.log(`  ${difference}`);
  console.log(passed ? "Every acknowledged line is there, in order for each key, byte for byte." : "FAILED: see above.");
}
