import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type * as grpc from "@grpc/grpc-js";
import { isReason } from "../../src/base/errors.js";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import { detailsOf, encode, failure, type Message, PlainClient, type ProtoField, type ProtoType, requestTypeOf } from "./plain-client.js";
import { TestCluster } from "./test-cluster.js";

/*
 * Every field of every public request, one at a time, given every value of its type that is likely to be wrong, in an otherwise good
 * request, to the leader and to brokers that forward: a named refusal, or a good answer where the value may be right; and nothing
 * appended by what was refused.
 */

const TOPIC = "target";
/** Cases under way at a time. */
const CONCURRENCY = 8;
const body = encode("quire.v1.Records", { records: [{ value: Buffer.from("x") }] });
const batch = { base_timestamp_ms: 1_700_000_000_000, max_timestamp_ms: 1_700_000_000_000, record_count: 1, uncompressed_bytes: body.length, records: body };
const settings = { retention_ms: 0, retention_bytes: 0, segment_bytes: 1 << 20, segment_age_ms: 0, flush_interval_ms: 5, batch_bytes_max: 2 << 20 };
const at = { topic: TOPIC, partition: 0 };

/** A good request of each method. */
const requests: Readonly<Record<string, object>> = {
  "AdminService.CreateTopic": { topic: { name: "made", partitions: 1, replicas: 3, write_quorum: 2, read_quorum: 2, settings }, validate_only: true },
  "AdminService.GetTopic": { name: TOPIC },
  "AdminService.ListTopics": { page_size: 10, page_token: "", name_prefix: "" },
  "AdminService.UpdateTopic": {
    topic: { name: TOPIC, partitions: 3, write_quorum: 2, read_quorum: 2, settings: { ...settings, flush_mode: 1 } },
    update_mask: { paths: ["partitions", "write_quorum", "read_quorum", "settings.flush_mode", ...Object.keys(settings).map((name) => `settings.${name}`)] },
  },
  "AdminService.DeleteTopic": { name: "none" },
  "AdminService.TransferLeader": { ...at, node_id: 1 },
  "AdminService.TrimRecords": { ...at, before_offset: 0 },
  "ClusterService.GetMetadata": { topics: [TOPIC] },
  "ClusterService.WatchMetadata": { topics: [TOPIC] },
  "ProduceService.Append": {
    ...at,
    records: [{ key: Buffer.from("k"), value: Buffer.from("v"), headers: [{ key: "h", value: Buffer.from("v") }], timestamp_ms: 1 }],
    acks: 0,
  },
  "ProduceService.Produce": { batches: [{ correlation_id: 1, ...at, acks: 0, timeout_ms: 10_000, run: 1, batch }] },
  "FetchService.Fetch": { ...at, offset: 0, max_bytes: 1_000, min_bytes: 1, max_wait_ms: 10 },
  "FetchService.Subscribe": { add: { subscription_id: 1, ...at, position: { offset: 0 } } },
  "FetchService.Subscribe seek": { seek: { subscription_id: 1, position: { offset: 0 } } },
  "FetchService.Subscribe remove": { remove: { subscription_id: 1 } },
  "FetchService.Subscribe credit": { credit: { total_bytes: 1 } },
  "FetchService.ListOffsets": { queries: [{ ...at, position: { offset: 0 } }] },
  "GroupService.Join": {
    enter: {
      group: "billing",
      member_id: "a",
      instance_id: "i",
      client_id: "till 3",
      topics: [TOPIC],
      session_timeout_ms: 1_000,
      strategy: 2,
      holding: [{ ...at, generation: 1 }],
    },
  },
  "GroupService.CommitOffsets": { group: "nobody", member_id: "a", commits: [{ ...at, generation: 1, offset: 0 }] },
  "GroupService.FetchOffsets": { group: "none", member_id: "a", fetches: [{ ...at, generation: 0 }] },
  "GroupService.ListGroups": { page_size: 10, page_token: "", name_prefix: "" },
  "GroupService.DescribeGroup": { group: "none" },
  "GroupService.ResetOffsets": { group: "idle", topics: [{ topic: TOPIC, partitions: [0] }], position: { offset: 0 }, validate_only: true },
  "GroupService.DeleteGroup": { group: "none" },
};

/** Values that may be right. */
const ODD: Readonly<Record<string, readonly unknown[]>> = {
  TYPE_INT32: [0, 3, 10_001],
  TYPE_INT64: [0, 7],
  TYPE_FIXED32: [0],
  TYPE_STRING: ["", "none", "."],
  TYPE_BYTES: [Buffer.alloc(0), Buffer.from([0xff])],
};
/** Values that are never right. */
const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  TYPE_INT32: [-1, 2 ** 31 - 1, -(2 ** 31)],
  TYPE_INT64: [-1, "9007199254740993", "9223372036854775807", "-9223372036854775808"],
  TYPE_FIXED32: [2 ** 32 - 1],
  TYPE_ENUM: [99, -1, 2 ** 31 - 1],
  TYPE_STRING: ["UPPER", "a/b", "../up", "nul\u0000", "\u{1F4A5}", "a".repeat(250), "x".repeat(100_000)],
  TYPE_BYTES: [Buffer.alloc(1_100_000, 7), Buffer.alloc(2_200_000, 7)],
};
/** Fields that take anything: the client's own, and what the broker sets and does not look at. */
const FREE = [
  /^topic\.(topic_id|created_ms|version)$/,
  /^batches\[0\]\.(correlation_id|run|batch\.(base_offset|term))$/,
  /^enter\.client_id$/,
  /^(name_prefix|records\[0\]\.headers\[0\]\.key)$/,
];

const SET_BY_BROKER = /^topic\.partition_states/;
/** What is not in the mask of an update is not looked at either. */
const isFreeOf = (method: string, field: string): boolean => method.endsWith("UpdateTopic") && field === "topic.replicas";

interface Case {
  readonly field: string;
  readonly value: string;
  readonly request: Message;
  readonly isWrong: boolean;
}
type WithValue = (value: unknown) => Message;

/** The request with one field changed, for each of its fields and theirs, and each value. */
function* casesOf(type: ProtoType, good: Message, path = ""): Generator<Case> {
  const fields = type.fields();
  for (const field of fields) {
    const name = path === "" ? field.name : `${path}.${field.name}`;
    const given = good[field.name];
    const replaced = fields.filter((other) => other === field || (field.oneof !== undefined && other.oneof === field.oneof));
    const rest: Message = Object.fromEntries(Object.entries(good).filter(([other]) => replaced.every((gone) => gone.name !== other)));
    const withValue: WithValue = (value) => ({ ...rest, [field.name]: value });
    if (given !== undefined) yield { field: name, value: "left out", request: rest, isWrong: false };
    if (!field.isRepeated) {
      yield* valuesOf(field, given, name, withValue);
      continue;
    }
    const [first, ...others] = given ?? [];
    yield { field: name, value: "none", request: withValue([]), isWrong: false };
    if (first !== undefined) yield { field: name, value: "too many", request: withValue(Array.from({ length: 10_100 }, () => first)), isWrong: false };
    yield* valuesOf(field, first, `${name}[0]`, (value) => withValue([value, ...others]));
  }
}

function* valuesOf({ type, message }: ProtoField, given: Message, field: string, withValue: WithValue): Generator<Case> {
  if (message === undefined) {
    for (const value of ODD[type] ?? []) yield { field, value: shown(value), request: withValue(value), isWrong: false };
    const isFree = FREE.some((free) => free.test(field));
    for (const value of WRONG[type] ?? []) yield { field, value: shown(value), request: withValue(value), isWrong: !isFree };
    return;
  }
  yield { field, value: "empty", request: withValue({}), isWrong: false };
  if (SET_BY_BROKER.test(field)) return;
  for (const inner of casesOf(message, given ?? {}, field)) yield { ...inner, request: withValue(inner.request) };
}

const shown = (value: unknown): string => {
  const text = Buffer.isBuffer(value) ? `${value.length} bytes` : JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 20)}… (${text.length})` : text;
};

let cluster: TestCluster;
let clients: PlainClient[];
before(async () => {
  cluster = await TestCluster.start();
  await untilWhole(cluster.addresses, 3, 30_000);
  const addresses = cluster.addresses.slice(0, 2);
  clients = addresses.map((address) => new PlainClient(address));
  await clients[0]?.ask("quire.v1.AdminService.CreateTopic", { topic: { name: TOPIC, partitions: 3 } });
  // Takes generation 1, which the requests below speak of: one that nobody has heard of yet is awaited.
  const moved = await clients[0]?.ask("quire.v1.GroupService.ResetOffsets", { group: "moved", topics: [{ topic: TOPIC }], position: { offset: 0 } });
  assert.deepEqual(
    moved?.answers.map(({ error }: Message) => error),
    [null, null, null],
  );
});
after(async () => {
  for (const client of clients) client.close();
  await cluster[Symbol.asyncDispose]();
});

/** `ok`, or the reason of the refusal, wherever it stands. Fails for a refusal that has none. */
async function outcomeOf(client: PlainClient, method: string, request: Message): Promise<string> {
  // Behind it a good one: so that there is an answer also to what needs none.
  const add = { add: { subscription_id: 99, ...at, position: { offset: 0 } } };
  const answer = await client.firstAnswer(method, request, ...(method.endsWith("Subscribe") ? [add] : []));
  if (answer instanceof Error) return failure(answer as grpc.ServiceError).ErrorInfo.reason;
  const parts = [answer.results, answer.records, answer.answers, answer.end].flat();
  const refused = parts.find((part) => part?.error);
  return refused === undefined ? "ok" : detailsOf(refused.error).ErrorInfo.reason;
}

const endOf = async (client: PlainClient): Promise<number> => {
  const queries = [0, 1, 2].map((partition) => ({ topic: TOPIC, partition, position: { named: "NAMED_POSITION_LATEST" } }));
  const { answers } = await client.ask("quire.v1.FetchService.ListOffsets", { queries });
  return answers.reduce((sum: number, { offset }: Message) => sum + offset, 0);
};

const hasProducer = ({ producer_id, batches }: Message): boolean =>
  Number(producer_id ?? 0) > 0 || (batches ?? []).some(({ batch }: Message) => Number(batch?.producer_id ?? 0) > 0);

for (const [name, good] of Object.entries(requests)) {
  test(`${name} refuses by name what is wrong in any field, on any broker`, async () => {
    const method = `quire.v1.${name.split(" ")[0]}`;
    const [first] = clients;
    assert.ok(first !== undefined);
    // A case before may have moved it.
    await first.ask("quire.v1.AdminService.TransferLeader", { ...at, node_id: 1 });
    // Good but for what is not there: otherwise one wrong field would hide the others.
    assert.match(await outcomeOf(first, method, good), /^(ok|TOPIC_NOT_FOUND|SUBSCRIPTION_NOT_FOUND|GROUP_NOT_FOUND|NOT_COORDINATOR)$/);
    const before = await endOf(first);
    let written = 0;
    let unknown = 0;
    const problems: string[] = [];
    const cases = clients.flatMap((client) => [...casesOf(requestTypeOf(method), good)].map((each) => ({ client, ...each })));
    const worker = async (): Promise<void> => {
      for (let next = cases.pop(); next !== undefined; next = cases.pop()) {
        const { client, field, value, request, isWrong } = next;
        const outcome = await outcomeOf(client, method, request).catch(String);
        if (!isReason(outcome) && outcome !== "ok") problems.push(`${field} ${value}: ${outcome}`);
        if (outcome === "INTERNAL" || (isWrong && outcome === "ok" && !isFreeOf(method, field))) problems.push(`${field} ${value}: ${outcome}`);
        const records = request.records ?? request.batches ?? [];
        // The same sequence of the same producer again is acknowledged, and not written again.
        // Of many batches only the first answer is waited for; the stream ends then, with the rest on its way.
        const told = request.batches === undefined ? records.length : 1;
        if (outcome === "ok" && !hasProducer(request)) {
          written += told;
          unknown += records.length - told;
        } else if (outcome === "ok" || outcome === "WRITE_OUTCOME_UNKNOWN") unknown += records.length;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    assert.deepEqual(problems, []);
    // What only reads cannot have written; batches of the streams that ended may still be coming.
    if (!method.startsWith("quire.v1.ProduceService.")) return;
    const grown = (await endOf(first)) - before;
    assert.ok(grown >= written && grown <= written + unknown, `${written} records were acknowledged, ${unknown} perhaps written, and ${grown} are there`);
  });
}
