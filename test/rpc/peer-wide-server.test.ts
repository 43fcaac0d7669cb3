import http2 from "node:http2";
import { test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { limits } from "../../src/base/limits.js";
import { WideServer } from "../../src/rpc/wide-server.js";
import { peerServerOptions } from "../../src/wire/channel-options.js";

test("the server grants its wide window, to streams and to the connection", async () => {
  const server = new WideServer(peerServerOptions);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const session = http2.connect(`http://127.0.0.1:${port}`);
  try {
    await new Promise<void>((resolve, reject) => {
      session.on("error", reject);
      const review = () => {
        const isStreamWide = session.remoteSettings.initialWindowSize === limits.flowControlWindowBytes;
        const isConnectionWide = session.state.remoteWindowSize === limits.flowControlWindowBytes;
        if (isStreamWide && isConnectionWide) resolve();
        else setTimeout(review, 5);
      };
      review();
    });
  } finally {
    session.close();
    server.forceShutdown();
  }
});
