/** The logger of a real process: JSON lines for machines, short lines for people. */
import { type DestinationStream, pino, stdTimeFunctions } from "pino";
import pretty from "pino-pretty";
import type { Logger } from "../base/ports.js";
import { describeError } from "./describe-error.js";

export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error";
  /** `auto`: for people when the output is a terminal. */
  readonly format: "auto" | "json" | "pretty";
  /** Default: standard output. */
  readonly output?: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** A line is written before the call returns, so that the last words of a dying process are not lost. */
export function createLogger({ level, format, output = process.stdout }: LoggerOptions): Logger {
  const forPeople = format === "pretty" || (format === "auto" && output.isTTY === true);
  const destination = forPeople ? prettyStream(output) : output;
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
    },
    destination,
  );
}

/** In this process and without a worker thread: the order of lines is kept, and nothing is lost at exit. */
function prettyStream(output: NodeJS.WritableStream & { readonly isTTY?: boolean }): DestinationStream {
  return pretty({
    destination: output,
    sync: true,
    singleLine: true,
    colorize: output.isTTY === true,
    translateTime: "SYS:HH:MM:ss.l",
    ignore: "pid,hostname",
    errorLikeObjectKeys: [],
  });
}
