import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { QuireError } from "../../src/base/errors.js";
import { ExitCode, exitCodeOf } from "../../src/cli/exit-codes.js";
import { splitKey } from "../../src/cli/keyed.js";
import { LineSender } from "../../src/cli/line-sender.js";
import { lines } from "../../src/cli/lines.js";
import { table } from "../../src/cli/output.js";
import { parseFrom } from "../../src/cli/position.js";

const collect = async (chunks: readonly (string | Buffer)[]): Promise<string[]> => {
  const found: string[] = [];
  for await (const group of lines(Readable.from(chunks))) found.push(...group.map(String));
  return found;
};
const refused = (run: () => unknown, message: RegExp): void => {
  assert.throws(run, (thrown) => thrown instanceof QuireError && message.test(thrown.message) && exitCodeOf(thrown) === ExitCode.usage);
};

test("lines are the same however the stream is cut into chunks", async () => {
  const text = fc.array(
    fc.string().map((line) => line.replace(/[\r\n]/g, "")),
    { minLength: 1 },
  );
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat(100)), fc.constantFrom("\n", "\r\n"), async (given, cuts, end) => {
      const bytes = Buffer.from(given.map((line) => line + end).join(""));
      const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
      const chunks = at.slice(1).map((to, index) => bytes.subarray(at[index], to));
      assert.deepEqual(await collect(chunks), given);
    }),
    { numRuns: 200 },
  );
});

test("a last line without a newline counts, nothing after a newline does not, empty lines in between do", async () => {
  assert.deepEqual(await collect(["a\nb"]), ["a", "b"]);
  assert.deepEqual(await collect(["a\n"]), ["a"]);
  assert.deepEqual(await collect(["a\n\nb\n"]), ["a", "", "b"]);
  assert.deepEqual(await collect([]), []);
});

test("a line that never ends is refused, and costs bounded memory", async () => {
  await assert.rejects(collect(["a\n", ...Array.from({ length: 40 }, () => "x".repeat(100_000))]), /line 2 is longer than 3 MiB/);
});

test("a key comes from before a separator, or from a field of JSON", () => {
  const line = Buffer.from("k1:v:w");
  assert.deepEqual(splitKey(line, { kind: "separator", separator: ":" }), { key: Buffer.from("k1"), value: Buffer.from("v:w") });
  assert.deepEqual(splitKey(line, { kind: "none" }), { key: undefined, value: line });
  const json = Buffer.from('{"id":7,"name":"é","nested":{}}');
  assert.deepEqual(splitKey(json, { kind: "field", field: "id" }), { key: Buffer.from("7"), value: json });
  assert.deepEqual(splitKey(json, { kind: "field", field: "name" }).key, Buffer.from("é"));
  refused(() => splitKey(Buffer.from("none"), { kind: "separator", separator: ":" }), /has no separator ":"/);
  refused(() => splitKey(Buffer.from("none"), { kind: "field", field: "id" }), /is not JSON/);
  refused(() => splitKey(json, { kind: "field", field: "nested" }), /has no field "nested"/);
  refused(() => splitKey(json, { kind: "field", field: "toString" }), /has no field/);
  refused(() => splitKey(Buffer.from("null"), { kind: "field", field: "id" }), /has no field/);
});

test("--from takes a name, an offset, a time or an age", () => {
  assert.deepEqual(parseFrom("earliest", 0), "earliest");
  assert.deepEqual(parseFrom("1200", 0), { offset: 1200 });
  assert.deepEqual(parseFrom("15m", 1_000_000), { timestampMs: 100_000 });
  assert.deepEqual(parseFrom("2026-01-31T08:00Z", 0), { timestampMs: Date.UTC(2026, 0, 31, 8) });
  assert.deepEqual(parseFrom("@1769846400000", 0), { timestampMs: Date.UTC(2026, 0, 31, 8) });
  for (const wrong of ["", "@", "@-1", "@9000000000000000", "newest", "-1", "2026-13-45", "99999999999999999999", "1.5"])
    refused(() => parseFrom(wrong, 0), /--from .* is not earliest, latest/);
});

test("a table has no lines, and columns that fit", () => {
  assert.equal(
    table(
      ["NAME", "N"],
      [
        ["orders", 3],
        ["a", 12],
      ],
    ),
    "NAME    N\norders  3\na       12",
  );
});

test("exit codes say what kind of failure it was", () => {
  const code = (reason: ConstructorParameters<typeof QuireError>[0]): number => exitCodeOf(new QuireError(reason, "x"));
  assert.equal(code("INVALID_QUORUM"), 2);
  assert.equal(code("LEADER_UNKNOWN"), 3);
  assert.equal(code("WRITE_OUTCOME_UNKNOWN"), 3);
  assert.equal(code("TOPIC_NOT_FOUND"), 4);
  assert.equal(code("TOPIC_ALREADY_EXISTS"), 5);
  assert.equal(code("NOT_ENOUGH_BROKERS"), 1);
  assert.equal(exitCodeOf(new TypeError("x")), 70);
});

interface Sent {
  readonly key: string | undefined;
  readonly value: string;
}
const sender = (send: (record: Sent) => Promise<unknown>, told: string[] = []): LineSender =>
  new LineSender({
    rule: { kind: "separator", separator: ":" },
    send: ({ key, value }) => send({ key: key?.toString(), value: String(value) }),
    tell: (text) => told.push(text),
    onProgress() {},
  });

test("lines are sent in order, and a line that fails does not stop the others", async () => {
  const sent: Sent[] = [];
  const told: string[] = [];
  const made = sender(async (record) => {
    sent.push(record);
    if (record.value === "2") throw new QuireError("RECORD_TOO_LARGE", "is too large");
  }, told);
  await made.sendAll(Readable.from(["a:1\na:2\nnone\na:3\n"]), new AbortController().signal);
  assert.deepEqual(sent, [
    { key: "a", value: "1" },
    { key: "a", value: "2" },
    { key: "a", value: "3" },
  ]);
  assert.deepEqual(told, ["quire: line 2: is too large", 'quire: line 3: has no separator ":"']);
  assert.deepEqual([made.acknowledged, made.failed, made.bytes], [2, 2, 8]);
});

test("no more is read than is under way, so that a slow cluster costs bounded memory", async () => {
  let underWay = 0;
  let most = 0;
  const made = sender(async () => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise((resolve) => setImmediate(resolve));
    underWay -= 1;
  });
  await made.sendAll(Readable.from(Array.from({ length: 30 }, () => "a:1\n".repeat(1000))), new AbortController().signal);
  assert.equal(made.acknowledged, 30_000);
  assert.ok(most <= 5_000, `${most} under way`);
});

test("an interruption ends the reading, and waits for what is under way", async () => {
  const interruption = new AbortController();
  const input = new Readable({ read() {} });
  input.push("a:1\n");
  const made = sender(async () => {
    interruption.abort();
    await new Promise((resolve) => setImmediate(resolve));
  });
  await made.sendAll(input, interruption.signal);
  assert.equal(made.acknowledged, 1);
});
