import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel } from "@grpc/grpc-js";
import compressionFilter from "@grpc/grpc-js/build/src/compression-filter.js";
import serverInterceptors from "@grpc/grpc-js/build/src/server-interceptors.js";
import { allocateMessage } from "../../src/wire/framing.js";

interface ServerCall {
  serializeMessage(value: unknown): Buffer;
}

/** What each side of a call hands to HTTP/2 for a message. */
const sides: Readonly<Record<string, (message: Buffer) => Promise<Buffer>>> = {
  client: async (message) => {
    const filter = new compressionFilter.CompressionFilterFactory(undefined as unknown as Channel, {}).createFilter();
    return (await filter.sendMessage(Promise.resolve({ message }))).message;
  },
  server: async (message) => {
    const call = serverInterceptors.BaseServerInterceptingCall.prototype as unknown as ServerCall;
    return call.serializeMessage.call({ handler: { serialize: () => message } } as unknown as ServerCall, {});
  },
};

for (const [side, framedBy] of Object.entries(sides)) {
  test(`a ${side} sends a message of ours from the memory it was made in, behind its prefix`, async () => {
    for (const length of [0, 3, 70_000]) {
      const message = allocateMessage(length).fill(7);
      const frame = await framedBy(message);
      assert.equal(frame.buffer, message.buffer);
      assert.equal(frame.byteOffset, message.byteOffset - 5);
      assert.deepEqual(frame, Buffer.concat([Buffer.from([0, 0, length >> 16, (length >> 8) & 0xff, length & 0xff]), message]));
    }
  });

  test(`a ${side} copies a message of others, and leaves what lies before it alone`, async () => {
    const memory = Buffer.alloc(20, 9);
    const frame = await framedBy(memory.subarray(10, 13));
    assert.deepEqual(frame, Buffer.from([0, 0, 0, 0, 3, 9, 9, 9]));
    assert.deepEqual(memory, Buffer.alloc(20, 9));
  });
}
