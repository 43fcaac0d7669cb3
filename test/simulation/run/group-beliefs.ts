import { type HostPorts, inlineHost } from "../../../src/client/consume/membership-host.js";
import type { FromHost, StartMembershipHost, ToHost } from "../../../src/client/consume/membership-messages.js";
import type { SimProcess } from "../kernel/sim-process.js";

interface Believer {
  readonly group: string;
  /** By `topic/partition`, the generation of what it holds. */
  holds: ReadonlyMap<string, number>;
}

/** What members that live believe to hold, as their consumers told the thread that keeps up their memberships. */
export class GroupBeliefs {
  readonly #members = new Map<string, Believer>();
  readonly #note: (what: string) => void;

  constructor(note: (what: string) => void) {
    this.#note = note;
  }

  /** The generation in which a member holds a partition; undefined when it does not. */
  generationOf(memberId: string, partition: string): number | undefined {
    return this.#members.get(memberId)?.holds.get(partition);
  }

  membersOf(group: string): string[] {
    return [...this.#members].flatMap(([memberId, believer]) => (believer.group === group ? [memberId] : []));
  }

  /** The same host as any client's inline one, overheard. */
  host(ports: HostPorts, process: SimProcess): StartMembershipHost {
    const start = inlineHost(ports);
    return (heard, failed) => {
      const ids = new Map<number, string>();
      const host = start((message) => {
        if (message.say !== "lost") this.#note(`${process.name} hears ${told(message)}`);
        if (message.say === "ended") this.#members.delete(ids.get(message.id) ?? "");
        heard(message);
      }, failed);
      const forget = (): void => {
        for (const memberId of ids.values()) this.#members.delete(memberId);
        ids.clear();
      };
      process.onDeath(forget);
      return {
        post: (message) => {
          if (process.isAlive) this.#overhear(message, ids);
          host.post(message);
        },
        close: () => {
          forget();
          host.close();
        },
      };
    };
  }

  #overhear(message: ToHost, ids: Map<number, string>): void {
    if (message.do === "enter") this.#note(`${message.plan.memberId} enters ${message.plan.group} ${message.plan.instanceId}`);
    else if (message.do === "hold") this.#note(`${ids.get(message.id)} holds ${listOf(message)}`);
    else if (message.do === "leave") this.#note(`${ids.get(message.id)} leaves`);
    if (message.do === "enter") {
      const { memberId, group } = message.plan;
      ids.set(message.id, memberId);
      this.#members.set(memberId, { group, holds: new Map() });
    }
    if (message.do !== "hold" && message.do !== "leave") return;
    const memberId = ids.get(message.id) ?? "";
    const believer = this.#members.get(memberId);
    if (believer === undefined) return;
    if (message.do === "leave") this.#members.delete(memberId);
    else believer.holds = new Map(message.partitions.map(({ topic, partition, generation }) => [`${topic}/${partition}`, generation]));
  }
}

type Places = Extract<ToHost, { readonly do: "hold" }> | Extract<FromHost, { readonly say: "assignment" }>;

const listOf = ({ stream, version, partitions }: Places): string =>
  `${partitions.map(({ topic, partition, generation }) => `${topic}/${partition} of ${generation}`).join(", ")} (${stream}.${version})`;

const told = (message: FromHost): string => (message.say === "assignment" ? `assignment ${listOf(message)}` : message.say);
