/** The memberships of all consumers of one client, as the consumers see them: one host for all, begun with the first, inline if its thread fails. */
import type { OwnedPartitionMessage } from "../../wire/group-messages.js";
import type { Metadata } from "../metadata.js";
import type { ClientOptions } from "../options.js";
import type { ClientPorts } from "../ports.js";
import { inlineHost } from "./membership-host.js";
import type { FromHost, MemberPlan, MembershipHosting, StartMembershipHost } from "./membership-messages.js";
import type { ProgressCell } from "./progress-cell.js";

interface Member {
  readonly plan: MemberPlan;
  readonly progress: ProgressCell;
  readonly heard: (message: FromHost) => void;
  holding: readonly OwnedPartitionMessage[];
}

/** One consumer's end. */
export interface MemberLink {
  /** All that it works on, as of an assignment. */
  hold(stream: number, version: number, partitions: readonly OwnedPartitionMessage[]): void;
  leave(): void;
}

export class Memberships {
  readonly #options: ClientOptions;
  readonly #ports: ClientPorts;
  readonly #metadata: Metadata;
  readonly #members = new Map<number, Member>();
  #nextId = 1;
  #host: MembershipHosting | undefined;
  #stopWatching: () => void = () => {};
  #addresses = "";

  constructor(options: ClientOptions, ports: ClientPorts, metadata: Metadata) {
    this.#options = options;
    this.#ports = ports;
    this.#metadata = metadata;
  }

  enter(plan: MemberPlan, progress: ProgressCell, heard: (message: FromHost) => void): MemberLink {
    const id = this.#nextId++;
    const member: Member = { plan, progress, heard, holding: [] };
    this.#members.set(id, member);
    if (this.#host === undefined) this.#begin(this.#ports.startMembershipHost ?? inlineHost(this.#ports));
    else this.#enter(id, member);
    return {
      hold: (stream, version, partitions) => {
        member.holding = partitions;
        if (this.#members.has(id)) this.#host?.post({ do: "hold", id, stream, version, partitions });
      },
      leave: () => {
        if (this.#members.has(id)) this.#host?.post({ do: "leave", id });
      },
    };
  }

  close(): void {
    this.#stopWatching();
    this.#members.clear();
    this.#host?.close();
    this.#host = undefined;
  }

  #begin(start: StartMembershipHost): void {
    try {
      this.#host = start(
        (message) => this.#heard(message),
        (why) => this.#goInline(why),
      );
    } catch (why) {
      return this.#goInline(why);
    }
    const { keepaliveTimeMs, keepaliveTimeoutMs, retryDelayMsMin, retryDelayMsMax, silenceMs } = this.#options;
    this.#host.post({ do: "begin", options: { keepaliveTimeMs, keepaliveTimeoutMs, retryDelayMsMin, retryDelayMsMax, silenceMs } });
    this.#addresses = "";
    this.#tellAddresses();
    this.#stopWatching();
    this.#stopWatching = this.#metadata.onChange(() => this.#tellAddresses());
    for (const [id, member] of this.#members) this.#enter(id, member);
  }

  /** What the thread kept up goes on here: whoever comes back within its session is still a member. */
  #goInline(why: unknown): void {
    this.#options.logger.warn({ why }, "memberships of consumer groups have no thread of their own: a handler that blocks this one may lose them");
    if (this.#host === undefined && this.#members.size === 0) return;
    this.#begin(inlineHost(this.#ports));
  }

  #enter(id: number, { plan, holding, progress }: Member): void {
    this.#host?.post({ do: "enter", id, plan, holding, progress: progress.memory });
  }

  #tellAddresses(): void {
    const addresses = this.#metadata.addresses();
    const written = addresses.join(" ");
    if (written === this.#addresses) return;
    this.#addresses = written;
    this.#host?.post({ do: "addresses", addresses });
  }

  #heard(message: FromHost): void {
    const member = this.#members.get(message.id);
    if (message.say === "ended") this.#members.delete(message.id);
    member?.heard(message);
  }
}
