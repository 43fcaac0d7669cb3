import assert from "node:assert/strict";
import { test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import type { MessageTypeDefinition } from "@grpc/proto-loader";
import fc from "fast-check";
import { QuireError, REASONS, type Reason } from "../../src/base/errors.js";
import { readStatus, writeStatusFields } from "../../src/wire/batch-codec.js";
import { loadProto } from "../../src/wire/method.js";
import { Reader } from "../../src/wire/reader.js";
import { fromGrpcError, fromStatus, toServiceError, toStatus } from "../../src/wire/status.js";
import { encode } from "../../src/wire/writer.js";
import { record, text } from "./message-arbitraries.js";

const reason = fc.constantFrom(...(Object.keys(REASONS) as Reason[]));
const error = record({
  reason,
  message: text,
  details: fc.dictionary(text, fc.oneof(text, fc.integer()), { maxKeys: 5, noNullPrototype: true }),
  retryAfterMs: fc.option(fc.nat(10_000_000), { nil: undefined }),
  fields: fc.array(record({ field: text, description: text }), { maxLength: 3 }),
}).map(({ reason: why, message, retryAfterMs, ...rest }) => new QuireError(why, message, { ...rest, ...(retryAfterMs !== undefined && { retryAfterMs }) }));

const visible = (it: QuireError) => ({
  reason: it.reason,
  message: it.message,
  details: Object.fromEntries(Object.entries(it.details).map(([key, value]) => [key, String(value)])),
  retryAfterMs: it.retryAfterMs,
  fields: it.fields.map(({ field, description }) => ({ field, description })),
});

test("an error crosses the wire unchanged, in band and as a status", () => {
  fc.assert(
    fc.property(error, (original) => {
      assert.deepEqual(visible(fromStatus(toStatus(original))), visible(original));
      assert.deepEqual(visible(fromGrpcError(toServiceError(original))), visible(original));
    }),
    { numRuns: 300 },
  );
});

test("generated code reads the details: one ErrorInfo of domain quire, RetryInfo, BadRequest", () => {
  const definitions = loadProto(["google/rpc/status.proto", "google/rpc/error_details.proto"]);
  const decode = (name: string, value: Buffer) => (definitions[`google.rpc.${name}`] as MessageTypeDefinition<object, object>).deserialize(value);
  const original = new QuireError("THROTTLED", "wait", { details: { limit: 7 }, retryAfterMs: 1_250, fields: [{ field: "a.b", description: "is bad" }] });
  const status = decode("Status", encode(writeStatusFields, toStatus(original))) as {
    code: number;
    message: string;
    details: { type_url: string; value: Buffer }[];
  };
  assert.deepEqual([status.code, status.message], [8, "wait"]);
  const details = status.details.map(({ type_url: typeUrl, value }) => {
    const name = typeUrl.replace("type.googleapis.com/google.rpc.", "");
    return { name, value: decode(name, value) };
  });
  assert.deepEqual(JSON.parse(JSON.stringify(details)), [
    { name: "ErrorInfo", value: { metadata: { limit: "7" }, reason: "THROTTLED", domain: "quire" } },
    { name: "RetryInfo", value: { retryDelay: { seconds: 1, nanos: 250_000_000 } } },
    { name: "BadRequest", value: { fieldViolations: [{ field: "a.b", description: "is bad" }] } },
  ]);
});

test("a reason of a newer broker keeps its status, name and message", () => {
  const status = toStatus(new QuireError("NOT_LEADER", "m", { details: { a: 1 } }));
  const info = Buffer.from(status.details[0]?.value ?? []);
  info.write("NEW_REASON", info.indexOf("NOT_LEADER"));
  const error = fromStatus({ code: 14, message: "m", details: [{ type_url: "type.googleapis.com/google.rpc.ErrorInfo", value: info }] });
  assert.equal(error.reason, "BROKER_UNREACHABLE");
  assert.deepEqual(error.details, { a: "1", reason: "NEW_REASON" });
});

test("an endless message with half a surrogate pair is cut, and still makes a valid trailer", () => {
  const error = toServiceError(new QuireError("INVALID_NAME", `\ud800${"é".repeat(100_000)}`, { details: { name: "x".repeat(100_000) } }));
  assert.doesNotThrow(() => encodeURI(error.details));
  assert.ok(encodeURI(error.details).length < 8_000);
  assert.ok((error.metadata.get("grpc-status-details-bin")[0]?.length ?? 0) < 4_000);
});

test("what has no details becomes one QuireError all the same", () => {
  const grpcError = (code: number, details: string) => Object.assign(new Error(`${code} ${details}`), { code, details, metadata: new grpc.Metadata() });
  const reasonOf = (thrown: unknown) => fromGrpcError(thrown).reason;
  assert.equal(reasonOf(grpcError(14, "No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1")), "BROKER_UNREACHABLE");
  assert.equal(reasonOf(grpcError(13, "Received RST_STREAM with code 2 (Internal server error)")), "BROKER_UNREACHABLE");
  assert.equal(reasonOf(grpcError(4, "Deadline exceeded after 0.1s")), "DEADLINE");
  assert.equal(reasonOf(grpcError(1, "Cancelled on client")), "CANCELLED");
  assert.equal(reasonOf(grpcError(12, "The server does not implement the method /x/Y")), "UNSUPPORTED");
  assert.equal(reasonOf(new TypeError("x is not a function")), "INTERNAL");
  assert.equal(reasonOf("a string"), "INTERNAL");
  const original = new QuireError("DISK_FULL", "full");
  assert.equal(fromGrpcError(original), original);
});

test("details that cannot be read leave the status standing", () => {
  const metadata = new grpc.Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from([0xff, 0xff]));
  const error = fromGrpcError(Object.assign(new Error("14 x"), { code: 14, details: "x", metadata }));
  assert.equal(error.reason, "BROKER_UNREACHABLE");
  assert.throws(() => readStatus(new Reader(Buffer.from([0xff, 0xff]))));
});
