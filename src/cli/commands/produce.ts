import { createReadStream, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { QuireError } from "../../base/errors.js";
import { systemClock } from "../../base/system-ports.js";
import { command } from "../command.js";
import { ExitCode } from "../exit-codes.js";
import type { KeyRule } from "../keyed.js";
import { LineSender } from "../line-sender.js";
import { plural, printJson, tell } from "../output.js";
import { compressionOption, jsonOption, sessionOptions, withQuire } from "../session.js";
import { interruption } from "../signals.js";

export const produceCommand = command({
  usage: "produce <topic>",
  summary: "Send lines as records, from a file or standard input; each is written once, whatever is retried",
  positionals: { topic: { type: "string", demandOption: true, describe: "The topic's name" } },
  options: {
    file: { type: "string", alias: "f", requiresArg: true, describe: "Lines from this file instead of standard input" },
    "key-field": { type: "string", requiresArg: true, conflicts: "key-separator", describe: "Lines are JSON objects; this field is the key" },
    "key-separator": { type: "string", requiresArg: true, describe: "What is before it in a line is the key" },
    partition: { type: "number", requiresArg: true, describe: "All to this partition; otherwise the key decides" },
    compression: compressionOption,
    producer: { type: "string", requiresArg: true, describe: "A name with one life at a time: whoever had it before is fenced" },
    ...jsonOption,
    ...sessionOptions,
  },
  examples: [
    ["seq 10 | $0 produce numbers", "ten records"],
    ["$0 produce orders --file orders.jsonl --key-field customer", "order is kept for each customer"],
    ["echo 'k:v' | $0 produce orders --key-separator :", "key k, value v"],
  ],
  async run(args) {
    const rule = keyRule(args["key-field"], args["key-separator"]);
    const source = openSource(args.file);
    const interrupted = interruption();
    const { showProgress } = await import("../progress.js");
    let startMs = 0;
    const progress = showProgress({ what: source.name, totalBytes: source.totalBytes });
    try {
      const sender = await withQuire(
        args,
        async (quire) => {
          const topic = quire.topic<Uint8Array>(args.topic);
          const place = args.partition === undefined ? {} : { partition: args.partition };
          const made = new LineSender({
            rule,
            send: ({ key, value }) => topic.send(value, { ...place, ...(key === undefined ? {} : { key }) }),
            tell,
            onProgress: ({ bytes, acknowledged }) => progress.update({ bytes, records: acknowledged }),
          });
          startMs = systemClock.monotonicMs();
          await made.sendAll(source.stream, interrupted).catch((thrown: unknown) => {
            made.hopeless = thrown instanceof QuireError ? thrown : cannotRead(source.name, thrown);
          });
          return made;
        },
        interrupted,
        { compression: args.compression, ...(args.producer === undefined ? {} : { producer: args.producer }) },
      );
      progress.stop();
      report(sender, systemClock.monotonicMs() - startMs, args.json);
      if (sender.hopeless !== undefined) throw sender.hopeless;
    } finally {
      progress.stop();
      source.stream.destroy();
    }
  },
});

/** @throws QuireError INVALID_FIELD */
function keyRule(field: string | undefined, separator: string | undefined): KeyRule {
  if (field !== undefined) return { kind: "field", field };
  if (separator === "") throw new QuireError("INVALID_FIELD", "--key-separator is empty");
  return separator === undefined ? { kind: "none" } : { kind: "separator", separator };
}

interface Source {
  readonly name: string;
  readonly stream: Readable;
  /** 0 when it cannot be known. */
  readonly totalBytes: number;
}

/** @throws QuireError INVALID_FIELD */
function openSource(file: string | undefined): Source {
  if (file === undefined) {
    if (process.stdin.isTTY === true) tell("Type records, a line each; Ctrl-D ends.");
    return { name: "standard input", stream: process.stdin, totalBytes: 0 };
  }
  try {
    const { size } = statSync(file);
    return { name: file, stream: createReadStream(file, { highWaterMark: 256 * 1024 }), totalBytes: size };
  } catch (thrown) {
    throw cannotRead(file, thrown);
  }
}

const cannotRead = (name: string, thrown: unknown): QuireError =>
  new QuireError("INVALID_FIELD", `cannot read ${name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);

function report({ acknowledged, failed, bytes }: LineSender, elapsedMs: number, json: boolean): void {
  if (failed > 0) process.exitCode = ExitCode.failed;
  if (json) {
    printJson({ acknowledged, failed, bytes, elapsedMs: Math.round(elapsedMs) });
    return;
  }
  const seconds = Math.max(elapsedMs, 1) / 1000;
  const rate = `${Math.round(acknowledged / seconds).toLocaleString("en")}/s`;
  tell(`${plural(acknowledged, "record")} acknowledged in ${seconds.toFixed(1)} s (${rate})${failed > 0 ? `, ${failed.toLocaleString("en")} failed` : ""}`);
}
