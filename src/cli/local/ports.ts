import { createServer } from "node:net";
import { QuireError } from "../../base/errors.js";

/** Whether a port of the loopback interface can be listened on now. */
const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });

/** @throws QuireError INVALID_SETTING when one is taken, with a way out. */
export async function checkPorts(ports: readonly number[], portBase: number): Promise<void> {
  for (const port of ports) {
    if (await isFree(port)) continue;
    throw new QuireError(
      "INVALID_SETTING",
      `port ${port} is in use; is a cluster running here already? Otherwise choose others: --port-base ${portBase + 1000}`,
    );
  }
}

/** Ports of the loopback interface that the system says are free, all at the same moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, "127.0.0.1", resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
