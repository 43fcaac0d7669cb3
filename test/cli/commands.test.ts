import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startFakeCluster } from "../support/fake-broker.js";
import type { FakeCluster } from "../support/fake-cluster.js";
import { type Ran, type RunQuireOptions, runQuire } from "../support/run-quire.js";

let cluster: FakeCluster;
let stop: () => Promise<void>;
const folder = mkdtempSync(join(tmpdir(), "quire-cli-"));
before(async () => {
  ({ cluster, stop } = await startFakeCluster(3));
});
after(async () => {
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

const quire = (args: readonly string[], options: RunQuireOptions = {}): Promise<Ran> => runQuire([...args, "--brokers", cluster.addresses.join(",")], options);
const json = (text: string): unknown => JSON.parse(text);

test("lines go in with keys, and come out as they were", async () => {
  cluster.createTopic("lines", 1);
  const produced = await quire(["produce", "lines", "--key-separator", ":"], { input: "k1:one\nk2:\nk1:zwei:ö\n" });
  assert.deepEqual([produced.code, produced.stdout], [0, ""], produced.stderr);
  assert.match(produced.stderr, /^3 records acknowledged in /);
  assert.deepEqual(
    cluster.records("lines").map(({ key, value }) => [key, value]),
    [
      ["k1", "one"],
      ["k2", ""],
      ["k1", "zwei:ö"],
    ],
  );
  const consumed = await quire(["consume", "lines", "--count", "3", "--key-separator", ":"]);
  assert.deepEqual([consumed.code, consumed.stdout, consumed.stderr], [0, "k1:one\nk2:\nk1:zwei:ö\n", ""]);
  const from = await quire(["consume", "lines", "--from", "1", "--to-end", "--json"]);
  const records = from.stdout.trim().split("\n").map(json) as { offset: number; key: string; value: string }[];
  assert.deepEqual(
    records.map(({ offset, key, value }) => [offset, key, value]),
    [
      [1, "k2", ""],
      [2, "k1", "zwei:ö"],
    ],
  );
});

test("a file is sent whole, and the count is told", async () => {
  cluster.createTopic("file", 3);
  const path = join(folder, "orders.jsonl");
  writeFileSync(path, Array.from({ length: 500 }, (_, id) => `${JSON.stringify({ id, customer: `c${id % 7}` })}\n`).join(""));
  const { code, stdout, stderr } = await quire(["produce", "file", "--file", path, "--key-field", "customer", "--json"]);
  assert.equal(code, 0, stderr);
  assert.deepEqual({ ...(json(stdout) as object), bytes: 0, elapsedMs: 0 }, { acknowledged: 500, failed: 0, bytes: 0, elapsedMs: 0 });
  assert.equal(
    [0, 1, 2].reduce((sum, partition) => sum + cluster.records("file", partition).length, 0),
    500,
  );
});

test("lines that fail are told with their number, the others are sent, and the exit code is 1", async () => {
  cluster.createTopic("some", 1);
  const { code, stderr } = await quire(["produce", "some", "--key-field", "id"], { input: '{"id":1}\nnot json\n{"id":2}\n' });
  assert.equal(code, 1);
  assert.match(stderr, /^quire: line 2: is not JSON, which --key-field needs$/m);
  assert.match(stderr, /^2 records acknowledged .*, 1 failed$/m);
  assert.equal(cluster.records("some").length, 2);
});

test("lines for a topic that is not there are given up at once, with the exit code for what is not found", async () => {
  const { code, stderr } = await quire(["produce", "nowhere"], { input: "line\n".repeat(20_000) });
  assert.equal(code, 4, stderr);
  assert.match(stderr, /^0 records acknowledged .*failed\nquire: there is no topic "nowhere"[^\n]*\n$/);
});

test("binary bytes without a newline at the end go in and come out as they were", async () => {
  cluster.createTopic("binary", 1);
  const bytes = Buffer.from([0, 255, 254, 13, 10, 195, 40, 10, 0, 13]);
  const { code, stderr } = await quire(["produce", "binary"], { input: bytes });
  assert.deepEqual([code, /^3 records/.test(stderr)], [0, true], stderr);
  const { stdout } = await quire(["consume", "binary", "--to-end", "--json"]);
  const records = stdout.trim().split("\n").map(json) as { value?: string; valueBase64?: string }[];
  const values = records.map(({ value, valueBase64 }) => (value === undefined ? Buffer.from(valueBase64 ?? "", "base64") : Buffer.from(value)));
  assert.deepEqual(values, [Buffer.from([0, 255, 254]), Buffer.from([195, 40]), Buffer.from([0])]);
});

test("a line that never ends ends producing, and what was acknowledged before it is told", async () => {
  cluster.createTopic("endless-line", 1);
  const { code, stderr } = await quire(["produce", "endless-line"], { input: `first\n${"x".repeat(4_000_000)}` });
  assert.equal(code, 2);
  assert.match(stderr, /^1 record acknowledged [^\n]*\nquire: line 2 is longer than 3 MiB[^\n]*\n$/);
});

test("a line that is too large for a record fails alone", async () => {
  cluster.createTopic("large-line", 1);
  const { code, stderr } = await quire(["produce", "large-line"], { input: `${"x".repeat(1_100_000)}\nafter\n` });
  assert.equal(code, 1);
  assert.match(stderr, /^quire: line 1: a record of \d+ bytes is too large [^\n]*\n1 record acknowledged [^\n]*, 1 failed\n$/);
});

test("every place to begin at is heeded: names, offsets, times, and what lies beyond the end is refused", async () => {
  cluster.createTopic("places", 1);
  assert.equal((await quire(["produce", "places"], { input: "a\nb\nc\n" })).code, 0);
  const from = async (place: string): Promise<readonly [number | string, string]> => {
    const { code, stdout, stderr } = await quire(["consume", "places", "--from", place, "--to-end"]);
    return [code, stdout + stderr];
  };
  for (const place of ["earliest", "0", "1h", "2020-01-01", "@0"]) assert.deepEqual(await from(place), [0, "a\nb\nc\n"], place);
  for (const place of ["latest", "3", "2999-01-01T00:00Z"]) assert.deepEqual(await from(place), [0, ""], place);
  assert.deepEqual(await from("2"), [0, "c\n"]);
  for (const place of ["4", "1769846400000"]) {
    const [code, text] = await from(place);
    assert.equal(code, 2);
    assert.match(text, /^quire: offset \d+ of places\/0 is not there yet; the next one is 3\n$/);
  }
});

test("Ctrl-C ends producing once what was sent is acknowledged", async () => {
  cluster.createTopic("interrupted", 1);
  const onStart = (child: ChildProcess): void => {
    child.stdin?.write("first\n");
    const waiting = setInterval(() => {
      if (cluster.records("interrupted").length === 0) return;
      clearInterval(waiting);
      child.kill("SIGINT");
    }, 20);
  };
  const { code, stderr } = await quire(["produce", "interrupted"], { onStart, timeoutMs: 20_000 });
  assert.equal(code, 130, stderr);
  assert.match(stderr, /^1 record acknowledged in /);
});

test("a folder given as a file is refused as such", async () => {
  cluster.createTopic("folder", 1);
  const { code, stderr } = await quire(["produce", "folder", "--file", folder]);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /^0 records acknowledged [^\n]*\nquire: cannot read [^\n]*directory[^\n]*\n$/);
});

test("Ctrl-C ends reading politely", async () => {
  cluster.createTopic("endless", 1);
  assert.equal((await quire(["produce", "endless"], { input: "first\n" })).code, 0);
  const { code, stdout, stderr } = await quire(["consume", "endless"], { onOutput: (child) => child.kill("SIGINT") });
  assert.deepEqual([code, stdout, stderr], [0, "first\n", ""]);
});

test("a reader that goes away ends consuming without a word", async () => {
  cluster.createTopic("piped", 1);
  await quire(["produce", "piped"], { input: "line\n".repeat(20_000) });
  const { code, stderr } = await quire(["consume", "piped"], { onOutput: (child) => child.stdout?.destroy() });
  assert.deepEqual([code, stderr], [0, ""]);
});

test("settings are explained before a topic is created, and unsafe ones are refused", async () => {
  const without = await runQuire(["topic", "explain", "--replicas", "5", "--write-quorum", "4", "--read-quorum", "3", "--json"]);
  assert.deepEqual((json(without.stdout) as { tolerance: unknown }).tolerance, { downForWrites: 1, downForElections: 1, disksLost: 3, powerLost: 5 });
  const unsafe = await runQuire(["topic", "explain", "--replicas", "3", "--write-quorum", "1", "--read-quorum", "2"]);
  assert.equal(unsafe.code, 2);
  assert.match(unsafe.stderr, /^quire: W \+ R = 3 is not above N = 3, .*a safe choice for N=3 is W=2 R=2$/m);
});

test("each kind of failure has its exit code and one line on standard error", async () => {
  const missing = await quire(["topic", "describe", "no-such-topic"]);
  assert.deepEqual([missing.code, missing.stdout], [4, ""]);
  assert.match(missing.stderr, /^quire: [^\n]+\n$/);
  const unreachable = await runQuire(["cluster", "status", "--brokers", "127.0.0.1:1", "--timeout", "300ms"]);
  assert.equal(unreachable.code, 3);
  assert.match(unreachable.stderr, /^quire: [^\n]+\n$/);
  const asJson = await quire(["topic", "describe", "no-such-topic", "--json"]);
  assert.equal((json(asJson.stderr) as { error: { reason: string } }).error.reason, "TOPIC_NOT_FOUND");
});

test("wrong words are refused with the right ones", async () => {
  const claims: readonly (readonly [string[], RegExp])[] = [
    [["topik", "list"], /did you mean topic\?/],
    [["topic", "lst"], /did you mean list\?/],
    [["topic", "create", "a", "--partition", "3"], /did you mean --partitions\?/],
    [["produce", "a", "--key-field", "a", "--key-separator", ":"], /mutually exclusive/],
    [["produce"], /Too few words: quire … produce <topic>/],
    [["consume", "a", "--from", "newest"], /--from newest is not earliest, latest/],
    [["consume", "a", "--count", "many"], /--count/],
    [["server", "--nod-id", "3"], /did you mean --node-id\?/],
    [["topic", "create", "a", "--retention-time", "long"], /--retention-time long cannot be read; write it as 7d/],
    [["topic", "create", "UPPER"], /has characters that are not allowed/],
    [["cluster", "status", "--timeout", "soon"], /--timeout soon is not a duration/],
    [["dev", "--port-base", "70000"], /--port-base 70000 is not a port/],
    [["produce", "a", "--file", "/no/such/file"], /cannot read \/no\/such\/file/],
    [["consume", "a", "--count", "1.5"], /--count takes a whole number from 0 on/],
    [["consume", "a", "--count", "-1"], /--count takes a whole number from 0 on/],
    [["topic", "create", "a", "--partitions", "2.5"], /--partitions takes a whole number/],
  ];
  const ran = await Promise.all(claims.map(([args]) => runQuire(args)));
  for (const [at, { code, stderr }] of ran.entries()) {
    assert.match(stderr, claims[at]?.[1] ?? /never/, `${claims[at]?.[0].join(" ")}: ${stderr}`);
    assert.equal(code, 2, `${claims[at]?.[0].join(" ")}: ${stderr}`);
  }
});

test("every command has help with an example, and exit codes", async () => {
  const commands = [
    ["dev"],
    ["server"],
    ["produce"],
    ["consume"],
    ["config"],
    ["cluster", "status"],
    ...["create", "list", "describe", "explain", "delete"].map((verb) => ["topic", verb]),
  ];
  const ran = await Promise.all(commands.map((command) => runQuire([...command, "--help"])));
  for (const [at, { code, stdout, stderr }] of ran.entries()) {
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /Examples:/, commands[at]?.join(" "));
    assert.match(stdout, /Exit codes:/, commands[at]?.join(" "));
  }
});

test("a misspelt variable is refused by every command", async () => {
  const { code, stderr } = await runQuire(["topic", "explain"], { environment: { QUIRE_BROKER: "localhost:9701" } });
  assert.equal(code, 2);
  assert.match(stderr, /QUIRE_BROKER is not a setting; did you mean QUIRE_BROKERS\?/);
});

test("the version is this package's, in whatever project the command is run", async () => {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "somebody-elses", version: "9.9.9" }));
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { version: string };
  assert.deepEqual(await runQuire(["--version"], { folder }), { code: 0, stdout: `${version}\n`, stderr: "" });
});
