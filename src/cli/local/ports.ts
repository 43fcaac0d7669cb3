import { createServer } from "node:net";
import { assert } from "../../base/assert.js";
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

/**
 * Chosen ports lie below the range from which systems take a port for an outgoing connection (from 32,768 on Linux,
 * from 49,152 elsewhere): there, any connection could take a broker's port while the broker is down.
 */
const CHOSEN_FROM = 10_000;
const CHOSEN_BELOW = 32_768;
/** One block belongs to one process at a time: to the one that listens on the block's first port. */
const BLOCK_PORTS = 128;
const BLOCKS = Math.floor((CHOSEN_BELOW - CHOSEN_FROM) / BLOCK_PORTS);

let block = { next: 0, end: 0 };

/**
 * Consecutive free ports of the loopback interface. No other process is given them by this function while this one
 * lives, so a broker that is killed finds its port free again.
 *
 * @param count from 1 to 127
 * @throws QuireError INVALID_SETTING when no such ports are left
 */
export async function freePorts(count: number): Promise<number[]> {
  assert(count >= 1 && count < BLOCK_PORTS, () => `${count} ports are asked for, at least 1 and less than ${BLOCK_PORTS}`);
  for (let tries = 0; tries <= BLOCKS; tries += 1) {
    const ports = await takeFromBlock(count);
    if (ports !== undefined) return ports;
    block = await claimBlock();
  }
  throw new QuireError("INVALID_SETTING", `no ${count} consecutive ports between ${CHOSEN_FROM} and ${CHOSEN_BELOW} are free; give ports of your own`);
}

/** Undefined when what is left of this process's block is too short, or used by others. */
async function takeFromBlock(count: number): Promise<number[] | undefined> {
  while (block.next + count <= block.end) {
    const ports = Array.from({ length: count }, (_, at) => block.next + at);
    // Taken before anything is awaited: calls at the same time get different ports.
    block.next += count;
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return ports;
  }
  return undefined;
}

async function claimBlock(): Promise<{ next: number; end: number }> {
  for (let at = 0; at < BLOCKS; at += 1) {
    const first = CHOSEN_FROM + ((process.pid + at) % BLOCKS) * BLOCK_PORTS;
    if (await listenForever(first)) return { next: first + 1, end: first + BLOCK_PORTS };
  }
  throw new QuireError("INVALID_SETTING", `all ports between ${CHOSEN_FROM} and ${CHOSEN_BELOW} are claimed; give ports of your own`);
}

/** Holds a port while this process lives. Resolves to whether it was free. */
const listenForever = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => {
      server.unref();
      resolve(true);
    });
  });
