import type { NodeId } from "../base/ids.js";
import type { Clock } from "../base/ports.js";
import type { TopicPartition } from "../cluster/view.js";
import { callUnary } from "../wire/call.js";
import { clientChannelOptions } from "../wire/channel-options.js";
import { adminService } from "../wire/services.js";
import type { Channel, Dial } from "../wire/transport.js";

const TIMEOUT_MS = 10_000;

/** What the controller asks of partitions' leaders: through this broker's own public edge, which forwards to whoever leads. */
export class LeaderRequests {
  readonly #channel: Channel;
  readonly #clock: Clock;

  constructor(ownAddress: string, dial: Dial, clock: Clock) {
    this.#channel = dial(ownAddress, clientChannelOptions);
    this.#clock = clock;
  }

  async transfer({ topic, partition }: TopicPartition, to: NodeId): Promise<void> {
    await callUnary(this.#channel, adminService.TransferLeader, { topic, partition, nodeId: to }, { deadline: this.#clock.wallMs() + TIMEOUT_MS });
  }

  close(): void {
    this.#channel.close();
  }
}
