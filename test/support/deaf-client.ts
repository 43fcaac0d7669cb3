import { type ClientHttp2Stream, connect } from "node:http2";
import type { TestContext } from "node:test";

/** One message as gRPC frames it. */
export function grpcFrame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A gRPC stream of a client that sends and never reads: its HTTP/2 window is closed from the start. */
export function openDeaf(context: TestContext, address: string, path: string): ClientHttp2Stream {
  const session = connect(`http://${address}`, { settings: { initialWindowSize: 0 }, maxSessionMemory: 1_000 });
  session.on("error", () => {});
  context.after(() => session.destroy());
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" }, { endStream: false });
  stream.on("error", () => {});
  return stream;
}
