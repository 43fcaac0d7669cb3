import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { QuireError } from "../../src/base/errors.js";
import { limits, MIB } from "../../src/base/limits.js";
import { readSettingsFile } from "../../src/config/read-file.js";
import { checkEnvironment, resolve, type Sources, settingValue, show, suggest } from "../../src/config/resolve.js";
import { flagOf, settingNames, settings, variableOf } from "../../src/config/settings.js";
import { formatBytes, formatDuration, parseBytes, parseDuration } from "../../src/config/units.js";

const file = (content: unknown): Sources => ({ file: { name: "quire.yaml", content } });
const refusal = (sources: Sources): string => {
  try {
    resolve(sources);
  } catch (thrown) {
    assert.ok(thrown instanceof QuireError);
    assert.equal(thrown.reason, "INVALID_SETTING");
    return thrown.message;
  }
  return "accepted";
};

test("with nothing given, every setting has its default, and the defaults do not contradict each other", () => {
  const { config, origins } = resolve({});
  assert.equal(config.listen, "127.0.0.1:9701");
  assert.equal(config.produce.batchBytesMax, limits.batchBytes);
  assert.equal(config.timing.electionTimeoutMs, 1000);
  for (const name of settingNames) {
    assert.deepEqual(settingValue(config, name), settings[name].default, name);
    assert.equal(origins[name], "default", name);
  }
});

test("what a setting shows, it reads back as the same value", () => {
  const { config } = resolve({});
  for (const name of settingNames) assert.deepEqual(settings[name].parse(show(config, name)), { value: settings[name].default }, name);
});

test("flags win over the environment, the environment over the file, the file over defaults, and each says so", () => {
  const content = { nodeId: 1, rack: "file", dataFolder: "file" };
  const { config, origins } = resolve({ ...file(content), environment: { QUIRE_NODE_ID: "2", QUIRE_RACK: "environment" }, flags: { "node-id": "3" } });
  assert.deepEqual([config.nodeId, config.rack, config.dataFolder], [3, "environment", "file"]);
  assert.deepEqual([origins.nodeId, origins.rack, origins.dataFolder], ["flag --node-id", "environment QUIRE_RACK", "file quire.yaml"]);
  assert.equal(origins.listen, "default");
});

test("a section in the file may be nested or dotted", () => {
  assert.equal(resolve(file({ produce: { recordBytesMax: "64KiB" } })).config.produce.recordBytesMax, 65_536);
  assert.equal(resolve(file({ "produce.recordBytesMax": "64KiB" })).config.produce.recordBytesMax, 65_536);
});

test("every setting can be given in all three ways", () => {
  for (const name of settingNames) {
    const raw = show(resolve({}).config, name);
    const given = resolve({ ...file({ [name]: raw }), environment: { [variableOf(name)]: raw }, flags: { [flagOf(name)]: raw } });
    assert.equal(given.origins[name], `flag --${flagOf(name)}`);
  }
  assert.equal(variableOf("produce.batchBytesMax"), "QUIRE_PRODUCE_BATCH_BYTES_MAX");
});

test("a misspelt setting is refused in each source, with the right name", () => {
  assert.match(refusal(file({ nodeid: 1 })), /file quire.yaml: setting nodeid is not a setting; did you mean nodeId\?/);
  assert.match(refusal(file({ produce: { batchByteMax: 1 } })), /did you mean produce.batchBytesMax\?/);
  assert.match(refusal(file({ batchBytesMax: 1 })), /did you mean produce.batchBytesMax\?/);
  assert.match(refusal({ environment: { QUIRE_DATAFOLDER: "x" } }), /environment variable QUIRE_DATAFOLDER .* did you mean QUIRE_DATA_FOLDER\?/);
  assert.match(refusal({ flags: { lisen: "x" } }), /flag --lisen .* did you mean --listen\?/);
  assert.match(refusal({ environment: { QUIRE_ZZZZZZZZZZ: "x" } }), /`quire config` lists them all/);
  assert.throws(() => checkEnvironment({ QUIRE_BROKER: "localhost:9701" }), /did you mean QUIRE_BROKERS\?/);
  assert.doesNotThrow(() => checkEnvironment({ QUIRE_BROKERS: "x", QUIRE_CONFIG: "y", HOME: "/" }));
});

test("all that is wrong is said at once, a line each", () => {
  assert.equal(refusal({ environment: { QUIRE_NODE_ID: "0", QUIRE_LISTEN: "here" }, flags: { rak: "a" } }).split("\n").length, 3);
});

const badValues: readonly (readonly [string, unknown, RegExp])[] = [
  ["nodeId", 0, /nodeId is 0 .* outside 1 to 65,535/],
  ["nodeId", 65_536, /outside/],
  ["nodeId", 1.5, /not a whole number/],
  ["nodeId", "one", /not a whole number/],
  ["nodeId", null, /not a whole number/],
  ["nodeId", { a: 1 }, /not a whole number/],
  ["listen", "9701", /not host:port/],
  ["listen", "a:b:1", /not host:port/],
  ["listen", "host:70000", /port outside 0 to 65535/],
  ["listen", 9701, /not host:port/],
  ["listen", "", /not host:port/],
  ["advertise", "host:0", /port outside 1/],
  ["peers", "host:9801", /"host:9801", which is not id@host:port/],
  ["peers", "1@a:1,1@b:1", /has id 1 twice/],
  ["peers", "1@a:1,2@a:1", /has a:1 twice/],
  ["peers", [1], /not a list/],
  ["peers", "0@a:1", /an id from 1/],
  ["join", "nowhere", /which is not host:port/],
  ["log.level", "verbose", /not one of debug, info, warn, error/],
  ["produce.batchBytesMax", "3MiB", /outside 2 KiB to 2 MiB/],
  ["produce.batchBytesMax", "lots", /not a size such as 64MiB/],
  ["topics.retentionMs", "1 week", /not a duration/],
  ["topics.retentionMs", -1, /outside/],
  ["topics.retentionMs", "500ms", /outside 0, or 1 s to /],
  ["rack", "r".repeat(256), /longer than 255/],
  ["rack", ["a"], /not text/],
];
for (const [name, value, why] of badValues) {
  test(`${name} = ${JSON.stringify(value)?.slice(0, 30)} is refused with the value and the limit`, () => assert.match(refusal(file({ [name]: value })), why));
}

const contradictory: readonly (readonly [object, RegExp])[] = [
  [
    { timing: { heartbeatMs: 500 } },
    /three heartbeats \(timing.heartbeatMs, 500 ms\) do not fit into timing.electionTimeoutMs, 1 s; set .* to 1,500 ms or more/,
  ],
  [{ timing: { electionTimeoutMs: 1010 } }, /must be a multiple of 50 ms/],
  [{ timing: { suspicionMs: "2s" } }, /timing.suspicionMs, 2 s, is above/],
  [{ produce: { batchBytesMax: "512KiB" } }, /1 MiB, does not fit into a batch of produce.batchBytesMax, 512 KiB; set the first to 511 KiB or less/],
  [{ listen: "127.0.0.1:9801" }, /both port 9801/],
  [{ listen: "0.0.0.0:9701" }, /no client can dial; set advertise/],
  [{ peerListen: "[::]:9801" }, /no broker can dial; set peerAdvertise/],
  [{ peers: "1@a:1,2@b:1" }, /nodeId is not set, and a broker of several needs its own/],
  [{ nodeId: 4, peers: "1@a:1,2@b:1" }, /nodeId 4 is not among peers \(1, 2\)/],
  [{ nodeId: 1, peers: "1@a:1", join: "b:1" }, /both peers and join are set/],
];
for (const [content, why] of contradictory) test(`${JSON.stringify(content)} is a contradiction`, () => assert.match(refusal(file(content)), why));

test("a founder on all interfaces needs no peerAdvertise: peers says where it is", () => {
  const content = { nodeId: 1, peers: ["1@a:9801", "2@b:9801"], peerListen: "0.0.0.0:9801" };
  assert.deepEqual(resolve(file(content)).config.peers, [
    { nodeId: 1, address: "a:9801" },
    { nodeId: 2, address: "b:9801" },
  ]);
});

test("bytes and durations: what is shown is read back", () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 31 - 1 }), (value) => {
      assert.equal(parseBytes(formatBytes(value)), value);
      assert.equal(parseDuration(formatDuration(value)), value);
    }),
  );
  assert.equal(parseBytes("1.5 MiB"), 1.5 * MIB);
  assert.equal(parseBytes("64MB"), 64_000_000);
  assert.equal(parseDuration("7d"), 604_800_000);
  for (const text of ["", "-1", "1 parsec", "MiB", "1e3"]) assert.equal(parseBytes(text), undefined, text);
});

test("whatever a file, the environment and flags hold, the answer is a configuration or INVALID_SETTING", () => {
  const content = fc.dictionary(fc.oneof(fc.constantFrom<string>(...settingNames), fc.string()), fc.jsonValue());
  fc.assert(
    fc.property(content, fc.dictionary(fc.constantFrom(...settingNames.map(variableOf)), fc.string()), (given, environment) => {
      refusal({ ...file(given), environment });
    }),
    { numRuns: 300 },
  );
});

test("nothing near is suggested for nonsense", () => assert.equal(suggest("qqqqqqqq", settingNames), undefined));

test("files are YAML or JSON; what cannot be read is refused in one line", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quire-config-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "quire.yaml");
  writeFileSync(path, "nodeId: 2\nproduce:\n  recordBytesMax: 64KiB\n");
  assert.equal(resolve({ file: readSettingsFile(path) }).config.produce.recordBytesMax, 65_536);
  writeFileSync(path, '{"nodeId": 2}');
  assert.equal(resolve({ file: readSettingsFile(path) }).config.nodeId, 2);
  writeFileSync(path, "");
  assert.equal(resolve({ file: readSettingsFile(path) }).config.nodeId, 1);
  writeFileSync(path, "just text");
  assert.match(refusal({ file: readSettingsFile(path) }), /does not hold settings by name/);
  writeFileSync(path, "a: [1\nb: }");
  assert.throws(() => readSettingsFile(path), /^QuireError: cannot read settings from [^\n]+$/);
  assert.throws(() => readSettingsFile(join(folder, "missing")), /ENOENT/);
});

test("the example in deploy/ is right on all three machines", () => {
  const example = readSettingsFile("deploy/quire.yaml");
  for (const nodeId of [1, 2, 3]) {
    const { config } = resolve({ file: example, flags: { "node-id": String(nodeId), advertise: `broker-${nodeId}.example:9701` } });
    assert.equal(config.peers.length, 3);
    assert.ok(config.peers.some((founder) => founder.nodeId === nodeId));
  }
});
