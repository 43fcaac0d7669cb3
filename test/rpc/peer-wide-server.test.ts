import assert from "node:assert/strict";
import http2 from "node:http2";
import net from "node:net";
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

test("a connection that says nothing is closed, and one that said what it speaks may be silent", async () => {
  const silenceMsMax = 100;
  const server = new WideServer({ ...peerServerOptions, silenceMsMax });
  const port = await listen(server, 0);
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  const strangers = [Buffer.alloc(0), Buffer.from("PRI * HTTP/2.0")].map((bytes) => {
    const socket = net.connect(port, "127.0.0.1").on("error", () => {});
    socket.resume();
    socket.write(bytes);
    return socket;
  });
  try {
    await until(() => session.remoteSettings.initialWindowSize === limits.flowControlWindowBytes, "the session stands");
    await until(() => strangers.every((socket) => socket.closed), "strangers are closed");
    // Connected after the session, closed after twice its time: the session's own would have run out before.
    const later = net.connect(port, "127.0.0.1").on("error", () => {});
    later.resume();
    await until(() => later.closed, "one more is closed");
    assert.equal(session.closed || session.destroyed, false);
  } finally {
    session.close();
    server.forceShutdown();
  }
});
