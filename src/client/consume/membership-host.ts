/** Keeps up the memberships of all consumers of one client, over connections of its own. The same in a thread of its own and inline. */
import { assert, unreachable } from "../../base/assert.js";
import { Connections } from "../connections.js";
import type { ClientPorts } from "../ports.js";
import { Membership } from "./membership.js";
import type { FromHost, MembershipHosting, MembershipOptions, StartMembershipHost, ToHost } from "./membership-messages.js";

export type HostPorts = Pick<ClientPorts, "clock" | "random" | "dial">;

export class MembershipHost implements MembershipHosting {
  readonly #ports: HostPorts;
  readonly #tell: (message: FromHost) => void;
  readonly #memberships = new Map<number, Membership>();
  #begun: { readonly options: MembershipOptions; readonly connections: Connections } | undefined;
  #addresses: readonly string[] = [];

  constructor(ports: HostPorts, tell: (message: FromHost) => void) {
    this.#ports = ports;
    this.#tell = tell;
  }

  post(message: ToHost): void {
    switch (message.do) {
      case "begin":
        this.#begun = { options: message.options, connections: new Connections(message.options, this.#ports) };
        break;
      case "addresses":
        this.#addresses = message.addresses;
        this.#begun?.connections.retain(new Set(message.addresses));
        break;
      case "enter":
        this.#enter(message);
        break;
      case "hold":
        this.#memberships.get(message.id)?.hold(message.stream, message.version, message.partitions);
        break;
      case "leave":
        this.#memberships.get(message.id)?.leave();
        break;
      default:
        unreachable(message);
    }
  }

  close(): void {
    for (const membership of this.#memberships.values()) membership.close();
    this.#memberships.clear();
    this.#begun?.connections.close();
  }

  #enter({ id, plan, holding, progress }: Extract<ToHost, { do: "enter" }>): void {
    assert(this.#begun !== undefined, "a host begins before anybody enters");
    const parts = { ...this.#ports, ...this.#begun, addresses: () => this.#addresses };
    const membership = new Membership(plan, holding, progress, parts, (news) => this.#tell({ ...news, id }));
    this.#memberships.set(id, membership);
    void membership.run().then(() => this.#memberships.delete(id));
  }
}

/** A host in the caller's thread. */
export const inlineHost =
  (ports: HostPorts): StartMembershipHost =>
  (heard) =>
    new MembershipHost(ports, heard);
