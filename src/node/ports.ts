import type { Clock, Random } from "../base/ports.js";
import { systemClock, systemRandom } from "../base/system-ports.js";
import { createServer } from "../rpc/wide-server.js";
import type { Files } from "../storage/files.js";
import { openLevelStore } from "../storage/level-store.js";
import { nodeFiles } from "../storage/node-files.js";
import type { OpenStore } from "../storage/replica-store.js";
import { dial } from "../wire/grpc-channel.js";
import type { CreateServer, Dial } from "../wire/transport.js";
import { freeAddress } from "./addresses.js";

/** All by which a broker touches the world; the simulation has another world. */
export interface BrokerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly openStore: OpenStore;
  readonly dial: Dial;
  readonly createServer: CreateServer;
  /** An address like the one given that nobody listens at; port 0 takes any. @throws QuireError INVALID_SETTING naming `setting` */
  readonly freeAddress: (setting: string, address: string) => Promise<string>;
  /** Of this process, for what a second one on the same folder is told. */
  readonly pid: number;
}

export const systemPorts: BrokerPorts = {
  clock: systemClock,
  random: systemRandom,
  files: nodeFiles,
  openStore: openLevelStore,
  dial,
  createServer,
  freeAddress,
  pid: process.pid,
};
