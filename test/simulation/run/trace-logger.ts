import type { Logger } from "../../../src/base/ports.js";
import { silentLogger } from "../../../src/base/silent-logger.js";
import type { Trace } from "../kernel/trace.js";

/** What a broker logs becomes lines of the trace, where somebody reads it. */
export function traceLogger(trace: Trace, now: () => number, name: string): Logger {
  if (!trace.isReadable) return silentLogger;
  const write =
    (level: string) =>
    (fields: object, message: string): void =>
      trace.tell(now(), name, () => `${level}: ${message} ${textOf(fields)}`);
  const logger: Logger = { debug: () => undefined, info: write("info"), warn: write("warn"), error: write("error"), child: () => logger };
  return logger;
}

const textOf = (fields: object): string =>
  Object.entries(fields)
    .map(([key, value]) => `${key}=${value instanceof Error ? value.message : JSON.stringify(value)}`)
    .join(" ");
