/**
 * Spares a copy of every message that is sent. A gRPC message on the wire is its bytes behind a prefix of five; @grpc/grpc-js 1.14 makes room for
 * both and copies the bytes over. Messages that were made here have that room in front of them already, and go as they are.
 *
 * It takes the place of one private method on each side of a call; `test/wire/framing.test.ts` fails when they are gone. What others send by the
 * same library in this process is not touched.
 */
import type { Channel } from "@grpc/grpc-js";
import compressionFilter from "@grpc/grpc-js/build/src/compression-filter.js";
import serverInterceptors from "@grpc/grpc-js/build/src/server-interceptors.js";

const PREFIX_BYTES = 5;
const messages = new WeakSet<Buffer>();

/** A buffer for one message. It is not zeroed, and must not change once it was sent. */
export function allocateMessage(bytes: number): Buffer {
  const message = Buffer.allocUnsafe(PREFIX_BYTES + bytes).subarray(PREFIX_BYTES);
  messages.add(message);
  return message;
}

/** The message behind its prefix, in the memory that it is in; undefined when it was not made here. */
function framed(message: Buffer): Buffer | undefined {
  if (!messages.has(message)) return undefined;
  const frame = Buffer.from(message.buffer, message.byteOffset - PREFIX_BYTES, PREFIX_BYTES + message.length);
  // Not compressed; the length.
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  return frame;
}

/** Of a client's call: what puts the prefix before messages that are not compressed. */
interface IdentityHandler {
  writeMessage(message: Buffer, compress: boolean): Promise<Buffer>;
}
/** Of a server's call. */
interface ServerCall {
  readonly handler: { serialize(value: unknown): Buffer };
  serializeMessage(value: unknown): Buffer;
}

/** Done once, where channels and servers are made. */
function sendInPlace(): void {
  const filter = new compressionFilter.CompressionFilterFactory(undefined as unknown as Channel, {}).createFilter();
  const identity = Object.getPrototypeOf(Reflect.get(filter, "sendCompression")) as IdentityHandler;
  const copyClient = identity.writeMessage;
  identity.writeMessage = async function writeMessage(message, compress) {
    return framed(message) ?? (await copyClient.call(this, message, compress));
  };
  const call = serverInterceptors.BaseServerInterceptingCall.prototype as unknown as ServerCall;
  const copyServer = call.serializeMessage;
  call.serializeMessage = function serializeMessage(this: ServerCall, value) {
    const message = this.handler.serialize(value);
    return framed(message) ?? copyServer.call({ handler: { serialize: () => message } } as unknown as ServerCall, value);
  };
}

sendInPlace();
