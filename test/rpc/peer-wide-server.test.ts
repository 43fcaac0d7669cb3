import http2 from "node:http2";
import { test } from "node:test";
import { limits } from "../../src/base/limits.js";
import { WideServer } from "../../src/rpc/wide-server.js";
import { peerServerOptions } from "../../src/wire/channel-options.js";
import { listen, until } from "./peer-harness.js";

test("the server grants its wide window, to streams and to the connection", async () => {
  const server = new WideServer(peerServerOptions);
  const port = await listen(server, 0);
  const session = http2.connect(`http://127.0.0.1:${port}`);
  try {
    session.on("error", () => {});
    await until(() => session.remoteSettings.initialWindowSize === limits.flowControlWindowBytes, "each stream has the wide window");
    await until(() => session.state.remoteWindowSize === limits.flowControlWindowBytes, "so has the connection");
  } finally {
    session.close();
    server.forceShutdown();
  }
});
