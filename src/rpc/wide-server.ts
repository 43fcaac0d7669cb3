import type * as http2 from "node:http2";
import { type ChannelOptions, Server, type ServerCredentials } from "@grpc/grpc-js";
import { limits } from "../base/limits.js";
import { refuseMalformed } from "../wire/refuse-malformed.js";
import type { CreateServer } from "../wire/transport.js";

type Http2Server = http2.Http2Server | http2.Http2SecureServer;
/** The one private method of grpc-js that this file relies on; `test/rpc/peer-wide-server.test.ts` fails when it is gone. */
interface Internals {
  createHttp2Server(credentials: ServerCredentials): Http2Server;
}

export interface WideServerOptions extends ChannelOptions {
  /** A connection that has not said what it speaks after so long a silence is closed. */
  readonly silenceMsMax?: number;
}

const SILENCE_MS_MAX = 5_000;

/**
 * A gRPC server with a wide HTTP/2 receive window: grpc-js 1.14 pins a server's at 64 KiB, where a stream of megabytes mostly waits
 * for window updates (grpc-node PR 3058). It also answers requests that cannot be decoded with their reason, and bounds
 * connections: without that, whoever opens them and says nothing takes every file descriptor that the logs need.
 */
export class WideServer extends Server {
  constructor({ silenceMsMax = SILENCE_MS_MAX, ...options }: WideServerOptions) {
    super({ ...options, interceptors: [refuseMalformed] });
    const internals = this as unknown as Internals;
    const create = internals.createHttp2Server.bind(this);
    internals.createHttp2Server = (credentials) => {
      const server = create(credentials);
      server.maxConnections = limits.connectionsPerServer;
      server.on("session", (session: http2.ServerHttp2Session) => {
        session.settings({ initialWindowSize: limits.flowControlWindowBytes });
        session.setLocalWindowSize(limits.flowControlWindowBytes);
        session.setTimeout(silenceMsMax, () => session.destroy());
        session.once("remoteSettings", () => session.setTimeout(0));
      });
      return server;
    };
  }
}

export const createServer: CreateServer = (options) => new WideServer(options);
