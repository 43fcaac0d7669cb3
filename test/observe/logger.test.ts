import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { describeError } from "../../src/observe/describe-error.js";
import { createLogger, type LoggerOptions } from "../../src/observe/logger.js";

/** What a logger writes, by the time its calls have returned. */
function written(options: Omit<LoggerOptions, "output">, write: (logger: ReturnType<typeof createLogger>) => void, isTTY = false): string[] {
  const output = Object.assign(new PassThrough(), { isTTY });
  write(createLogger({ ...options, output }));
  const text: unknown = output.read();
  return text instanceof Buffer ? text.toString().trimEnd().split("\n") : [];
}

test("machines get one JSON object a line, with level, time, fields and message", () => {
  const lines = written({ level: "info", format: "auto" }, (logger) => logger.child({ nodeId: 1 }).info({ partition: 3 }, "leader elected"));
  assert.equal(lines.length, 1);
  const line = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
  assert.match(String(line["time"]), /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual({ ...line, time: "" }, { level: "info", time: "", nodeId: 1, partition: 3, msg: "leader elected" });
});

test("people at a terminal get a short line", () => {
  const lines = written({ level: "info", format: "auto" }, (logger) => logger.warn({ partition: 3 }, "leader lost"), true);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /\d\d:\d\d:\d\d\.\d+.*WARN.*leader lost.*"partition":3/);
});

test("lines below the level are not written", () => {
  const lines = written({ level: "warn", format: "json" }, (logger) => {
    logger.debug({}, "no");
    logger.info({}, "no");
    logger.warn({}, "yes");
    logger.error({}, "yes");
  });
  assert.equal(lines.length, 2);
});

test("an error is one line in both forms, with its reason and causes", () => {
  const error = new QuireError("DISK_FULL", "no room\nat all", { cause: new Error("ENOSPC") });
  for (const format of ["json", "pretty"] as const) {
    const lines = written({ level: "info", format }, (logger) => logger.error({ error }, "refused"));
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0] ?? "", /DISK_FULL: no room \/ at all; because: Error: ENOSPC \(at /);
  }
});

test("a chain of causes without end is cut", () => {
  const first = new Error("again");
  first.cause = first;
  assert.equal(describeError(first).split("because").length, 4);
  assert.equal(describeError("text"), "text");
  assert.equal(describeError(undefined), "");
});
