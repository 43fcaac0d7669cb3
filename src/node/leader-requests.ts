import { Client, credentials } from "@grpc/grpc-js";
import type { NodeId } from "../base/ids.js";
import type { Clock } from "../base/ports.js";
import type { TopicPartition } from "../cluster/view.js";
import { callUnary } from "../wire/call.js";
import { clientChannelOptions } from "../wire/channel-options.js";
import { adminService } from "../wire/services.js";

const TIMEOUT_MS = 10_000;

/** What the controller asks of partitions' leaders: through this broker's own public edge, which forwards to whoever leads. */
export class LeaderRequests {
  readonly #client: Client;
  readonly #clock: Clock;

  constructor(ownAddress: string, clock: Clock) {
    this.#client = new Client(ownAddress, credentials.createInsecure(), clientChannelOptions);
    this.#clock = clock;
  }

  async transfer({ topic, partition }: TopicPartition, to: NodeId): Promise<void> {
    await callUnary(this.#client, adminService.TransferLeader, { topic, partition, nodeId: to }, { deadline: this.#clock.wallMs() + TIMEOUT_MS });
  }

  close(): void {
    this.#client.close();
  }
}
