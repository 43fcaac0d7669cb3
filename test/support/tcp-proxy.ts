import net from "node:net";

/** A network between a client and a server that can be cut and frozen. */
export class TcpProxy {
  readonly #server: net.Server;
  readonly #pairs = new Set<readonly [net.Socket, net.Socket]>();
  readonly #targetPort: number;
  #frozen = false;
  #refusing = false;
  #isLosingAnswers = false;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = net.createServer({ allowHalfOpen: false }, (socket) => this.#accept(socket));
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    const bound = this.#server.address();
    return typeof bound === "object" && bound !== null ? `127.0.0.1:${bound.port}` : "";
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Breaks every connection. New ones are taken. */
  drop(): void {
    this.#isLosingAnswers = false;
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** Breaks every connection and takes no new ones, as a dead process does. */
  kill(): void {
    this.#refusing = true;
    this.drop();
  }

  /** Connections stay but nothing passes, as with a paused process. */
  freeze(): void {
    this.#frozen = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** What the server sends goes nowhere, what the client sends arrives: until `drop` breaks the connections, or `restore`. */
  loseAnswers(): void {
    this.#isLosingAnswers = true;
  }

  /** Everything passes again. */
  restore(): void {
    this.#isLosingAnswers = false;
    this.#frozen = false;
    this.#refusing = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  async close(): Promise<void> {
    this.kill();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: net.Socket): void {
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = net.connect(this.#targetPort, "127.0.0.1");
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const [from, to] of [pair, [server, client] as const]) {
      from.setNoDelay(true);
      from.on("data", (bytes: Buffer) => {
        if (from === server && this.#isLosingAnswers) return;
        if (!to.write(bytes)) from.pause();
      });
      to.on("drain", () => {
        if (!this.#frozen) from.resume();
      });
      from.on("error", end);
      from.on("close", end);
      if (this.#frozen) from.pause();
    }
  }
}
