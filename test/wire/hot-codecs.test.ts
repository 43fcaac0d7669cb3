import assert from "node:assert/strict";
import { test } from "node:test";
import type { MethodDefinition } from "@grpc/proto-loader";
import fc from "fast-check";
import { fetchRequestCodec, fetchResponseCodec } from "../../src/wire/fetch-codec.js";
import { type Codec, loadProto } from "../../src/wire/method.js";
import { produceRequestCodec, produceResponseCodec } from "../../src/wire/produce-codec.js";
import { publicProtoFiles } from "../../src/wire/proto-root.js";
import { MalformedError } from "../../src/wire/reader.js";
import { subscribeRequestCodec, subscribeResponseCodec } from "../../src/wire/subscribe-codec.js";
import * as arbitraries from "./message-arbitraries.js";

interface Generated {
  readonly encode: (message: object) => Buffer;
  readonly decode: (bytes: Buffer) => object;
}
const definitions = loadProto(publicProtoFiles);

function generated(service: string, method: string, side: "request" | "response"): Generated {
  const definition = (definitions[`quire.v1.${service}`] as Record<string, MethodDefinition<object, object>>)[method];
  assert.ok(definition);
  return side === "request"
    ? { encode: definition.requestSerialize, decode: definition.requestDeserialize }
    : { encode: definition.responseSerialize, decode: definition.responseDeserialize };
}

/** Our batches say `body` where the .proto says `records`; otherwise the two shapes are one. */
function toProto(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toProto);
  if (value === null || typeof value !== "object" || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key === "body" ? "records" : key, toProto(item)]));
}

/** proto-loader names the field a synthetic oneof holds; an absent one is left out. */
function fromProto(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromProto);
  if (value === null || typeof value !== "object" || Buffer.isBuffer(value)) return value;
  const entries = Object.entries(value).filter(([key]) => !key.startsWith("_"));
  const result = Object.fromEntries(entries.map(([key, item]) => [key === "records" ? "body" : key, fromProto(item)]));
  return "baseTimestampMs" in result && !("crc32" in result) ? { ...result, crc32: undefined } : result;
}

function provesEqual<T extends object>(name: string, codec: Codec<T>, theirs: Generated, arbitrary: fc.Arbitrary<object>): void {
  test(`${name}: the hand codec and the generated one say the same, both ways`, () => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        const ours = codec.encode(message as never);
        assert.deepEqual(codec.decode(ours), message, "what we write, we read");
        assert.deepEqual(fromProto(theirs.decode(ours)), message, "what we write, they read");
        assert.deepEqual(codec.decode(theirs.encode(toProto(message) as object)), message, "what they write, we read");
      }),
      { numRuns: 300 },
    );
  });

  test(`${name}: damaged bytes decode to something or throw MalformedError, and fields nobody knows are passed over`, () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 });
    fc.assert(
      fc.property(arbitrary, damage, fc.nat(), (message, changes, cut) => {
        const bytes = Buffer.from(codec.encode(message as never));
        for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        decodesOrRefuses(codec, bytes);
        decodesOrRefuses(codec, bytes.subarray(0, cut % (bytes.length + 1)));
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(arbitrary, (message) => {
        const bytes = codec.encode(message as never);
        assert.deepEqual(codec.decode(Buffer.concat([unknownFields, bytes, unknownFields])), message);
      }),
      { numRuns: 50 },
    );
  });

  test(`${name}: random bytes decode to something or throw MalformedError`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => decodesOrRefuses(codec, Buffer.from(random))),
      { numRuns: 1_000 },
    );
  });
}

function decodesOrRefuses(codec: { decode(bytes: Buffer): object }, bytes: Buffer): void {
  try {
    codec.decode(bytes);
  } catch (thrown) {
    assert.ok(thrown instanceof MalformedError, `threw ${String(thrown)}`);
  }
}

/** Field 1000: a varint, a fixed64, bytes, a group with a field in it, a fixed32. */
const unknownFields = Buffer.from("c03eac02c13e0102030405060708c23e03aabbccc33e0801c43ec53e01020304", "hex");

provesEqual("ProduceRequest", produceRequestCodec, generated("ProduceService", "Produce", "request"), arbitraries.produceRequest);
provesEqual("ProduceResponse", produceResponseCodec, generated("ProduceService", "Produce", "response"), arbitraries.produceResponse);
provesEqual("FetchRequest", fetchRequestCodec, generated("FetchService", "Fetch", "request"), arbitraries.fetchRequest);
provesEqual("FetchResponse", fetchResponseCodec, generated("FetchService", "Fetch", "response"), arbitraries.fetchResponse);
provesEqual("SubscribeRequest", subscribeRequestCodec, generated("FetchService", "Subscribe", "request"), arbitraries.subscribeRequest);
provesEqual("SubscribeResponse", subscribeResponseCodec, generated("FetchService", "Subscribe", "response"), arbitraries.subscribeResponse);

test("a batch's body is a slice of the message, not a copy", () => {
  const bytes = produceRequestCodec.encode({ batches: [{ topic: "t", batch: { body: Buffer.alloc(1_000, 7) } }] });
  const { batches } = produceRequestCodec.decode(bytes);
  assert.equal(batches[0]?.batch?.body.buffer, bytes.buffer);
  assert.equal(batches[0]?.batch?.body.length, 1_000);
});

test("a length beyond the message is refused without allocating it", () => {
  // batches: a field that claims 2^32 - 1 bytes.
  assert.throws(() => produceRequestCodec.decode(Buffer.from("0affffffff0f01", "hex")), /4294967295 bytes follow/);
});

test("an int64 beyond 2^53 is refused and named", () => {
  const offset = Buffer.concat([Buffer.from([0x18]), Buffer.from("808080808080808001", "hex")]); // offset = 2^56
  assert.throws(() => fetchRequestCodec.decode(offset), MalformedError);
  assert.throws(() => fetchRequestCodec.decode(offset), /beyond ±\(2\^53 − 1\)/);
  const largest = fetchRequestCodec.decode(fetchRequestCodec.encode({ offset: Number.MAX_SAFE_INTEGER }));
  assert.equal(largest.offset, Number.MAX_SAFE_INTEGER);
});

test("a known field of another wire type is passed over like an unknown one", () => {
  // topic (a string) as a varint, then partition.
  assert.deepEqual(fetchRequestCodec.decode(Buffer.from("08071003", "hex")), fetchRequestCodec.decode(Buffer.from("1003", "hex")));
});

test("groups nested too deeply are refused rather than followed", () => {
  const open = Buffer.from("c33e", "hex");
  assert.throws(() => fetchRequestCodec.decode(Buffer.concat(Array.from({ length: 10_000 }, () => open))), /nests groups too deeply/);
});
