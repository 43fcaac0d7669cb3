import assert from "node:assert/strict";
import { test } from "node:test";
import zlib from "node:zlib";
import fc from "fast-check";
import { compressFrameSync } from "lz4-napi";
import { MIB } from "../../src/base/limits.js";
import { type Codec, type CodecName, loadCodec } from "../../src/client/codecs.js";
import { Compressor } from "../../src/client/compressor.js";
import { lz4FrameBytes } from "../../src/client/lz4-frame.js";

const hasZstd = "zstdCompress" in zlib;
const NAMES: readonly CodecName[] = ["gzip", "lz4", ...(hasZstd ? (["zstd"] as const) : [])];

/** From a few bytes to several times libuv's and LZ4's pieces, in parts the same again and in parts not. */
const bodies = fc
  .tuple(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), fc.integer({ min: 1, max: 400 }), fc.uint8Array({ maxLength: 2_000 }))
  .map(([part, times, rest]) => Buffer.concat([...Array<Uint8Array>(times).fill(part), rest]));

test("whatever is compressed comes back, within exactly its own size and not a byte less", async () => {
  for (const name of NAMES) {
    const codec = await loadCodec(name);
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const packed = await codec.compress(body);
        assert.ok((await codec.uncompress(packed, body.length)).equals(body), name);
      }),
      { numRuns: 40 },
    );
  }
});

test("a body that would become larger than it may is refused, however small it is itself", async () => {
  const zeros = Buffer.alloc(16 * MIB);
  for (const name of NAMES) {
    const codec = await loadCodec(name);
    const bomb = await codec.compress(zeros);
    assert.ok(bomb.length < zeros.length / 100, `${name} makes ${bomb.length} bytes of it`);
    await assert.rejects(codec.uncompress(bomb, zeros.length - 1), `${name} by one byte`);
    await assert.rejects(codec.uncompress(bomb, 10), `${name} by far`);
  }
});

test("of a cut body, garbage, and another codec's body nothing is taken for whole", async () => {
  const body = Buffer.from("quire ".repeat(1_000));
  for (const name of NAMES) {
    const codec = await loadCodec(name);
    const packed = await codec.compress(body);
    for (const cut of [5, packed.length - 1]) {
      const whole = codec.uncompress(packed.subarray(0, cut), body.length).then(({ length }) => assert.equal(length, body.length));
      await assert.rejects(whole, `${name} cut at ${cut}`);
    }
    await assert.rejects(codec.uncompress(body, body.length), `${name} of plain text`);
    for (const other of NAMES) if (other !== name) await assert.rejects((await loadCodec(other)).uncompress(packed, body.length), `${other} of ${name}`);
  }
});

test("frames that the reference programs of lz4 and zstd wrote are read", async () => {
  const body = Buffer.from(`${"a".repeat(300)}quire`);
  const lz4 = await loadCodec("lz4");
  const frames = [
    "04224d186440a70c0000001f610100ff1950717569726500000000ca04baa0",
    // With checksums of blocks.
    "04224d187440bd0c0000001f610100ff19507175697265965a17e600000000ca04baa0",
  ];
  for (const frame of frames) assert.ok((await lz4.uncompress(Buffer.from(frame, "hex"), body.length)).equals(body));
  const zstdFrame = Buffer.from("28b52ffd045875000038616171756972650100272ac00245d2b0c0", "hex");
  if (hasZstd) assert.ok((await (await loadCodec("zstd")).uncompress(zstdFrame, body.length)).equals(body));
  else assert.throws(() => loadCodec("zstd"), { reason: "UNSUPPORTED" });
});

test("what an LZ4 frame holds is never underestimated, and exact where it matters", () => {
  fc.assert(
    fc.property(bodies, fc.boolean(), fc.boolean(), (body, contentChecksum, blockChecksums) => {
      const frame = compressFrameSync(body, { contentChecksum, blockChecksums });
      assert.equal(lz4FrameBytes(frame, 0), body.length);
      assert.ok((lz4FrameBytes(frame, Number.POSITIVE_INFINITY) ?? 0) >= body.length);
      assert.equal(lz4FrameBytes(Buffer.concat([frame, frame]), 0), undefined, "one frame, and nothing behind it");
    }),
    { numRuns: 100 },
  );
  fc.assert(fc.property(fc.uint8Array(), (garbage) => lz4FrameBytes(Buffer.from(garbage), 0) === undefined));
});

test("a few bodies are compressed at a time, the first closed first; what does not get smaller, or fails, stays as it is", async () => {
  const begun: string[] = [];
  const finish = new Map<string, (result: Buffer | Error) => void>();
  const codec: Codec = {
    compress: (body) => {
      begun.push(body.toString());
      return new Promise((resolve, reject) => {
        finish.set(body.toString(), (result) => (result instanceof Error ? reject(result) : resolve(result)));
      });
    },
    uncompress: () => Promise.reject(new Error("not asked for")),
  };
  const compressor = new Compressor(1, codec);
  const done: [string, string | undefined][] = [];
  for (const name of ["aaaa", "bbbb", "cccc", "dddd", "eeee"]) compressor.compress(Buffer.from(name), (smaller) => done.push([name, smaller?.toString()]));
  assert.deepEqual(begun, ["aaaa", "bbbb", "cccc"]);
  finish.get("bbbb")?.(Buffer.from("b"));
  finish.get("aaaa")?.(Buffer.from("1234"));
  finish.get("cccc")?.(new Error("out of memory"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(done, [
    ["bbbb", "b"],
    ["aaaa", undefined],
    ["cccc", undefined],
  ]);
  assert.deepEqual(begun, ["aaaa", "bbbb", "cccc", "dddd", "eeee"]);
});
