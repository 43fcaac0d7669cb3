import type { TestContext } from "node:test";
import { connectWith } from "../../src/client/connect.js";
import type { ConnectOptions, Quire } from "../../src/client/index.js";
import { systemPorts } from "../../src/client/ports.js";
import { startFakeCluster } from "../support/fake-broker.js";
import type { FakeCluster } from "../support/fake-cluster.js";

/** Short times, so that what the library does after a while is seen soon. */
const quick: Omit<ConnectOptions, "brokers"> = { retryDelayMsMin: 5, retryDelayMsMax: 50, stallMs: 100, silenceMs: 250 };

const { startMembershipHost: _, ...inlinePorts } = systemPorts;

/** A fake cluster and a client of it, both gone after the test. */
export async function connected(context: TestContext, options: Partial<ConnectOptions> = {}, brokers = 3): Promise<{ cluster: FakeCluster; quire: Quire }> {
  const { cluster, stop } = await startFakeCluster(brokers);
  const quire = await connectWith({ brokers: cluster.addresses, ...quick, ...options }, inlinePorts);
  context.after(async () => {
    await quire.close({ timeoutMs: 0 });
    await stop();
  });
  return { cluster, quire };
}

/** Waits for a condition, looking after each turn; fails after ten seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const giveUpMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > giveUpMs) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A promise to be settled by hand. */
export function gate(): { open: () => void; opened: Promise<void> } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
