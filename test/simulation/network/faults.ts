import type { Link, Medium } from "./link.js";
import { type MessageRates, noMessageFaults, type PeerMessages } from "./peer-messages.js";

/** What the faults need of the network. */
export interface FaultyNetwork {
  link(from: string, to: string): Link;
  links(): Iterable<Link>;
  /** Cuts connections between two hosts, each side at a time of its own; how many. */
  resetConnections(a: string, b: string): number;
}

/** What the simulation does to the network. Hosts by name; each counts itself. */
export class NetworkFaults {
  readonly #network: FaultyNetwork;
  readonly #medium: Medium;
  readonly #messages: PeerMessages;

  constructor(network: FaultyNetwork, medium: Medium, messages: PeerMessages) {
    this.#network = network;
    this.#medium = medium;
    this.#messages = messages;
  }

  /** What was done so far, by kind, and what it hit. */
  get counts(): Readonly<Record<string, number>> {
    return this.#medium.counts;
  }

  /** No packet passes between the two sides. */
  partition(a: readonly string[], b: readonly string[]): void {
    this.#did("partition", `${a} | ${b}`);
    this.#block(a, b, "all");
    this.#block(b, a, "all");
  }

  /** Packets pass from `b` to `a` only. */
  oneWay(a: readonly string[], b: readonly string[]): void {
    this.#did("one-way partition", `${a} -x> ${b}`);
    this.#block(a, b, "all");
  }

  isolate(host: string, others: readonly string[]): void {
    this.#did("isolated host", host);
    this.#block([host], others, "all");
    this.#block(others, [host], "all");
  }

  /** Each host reaches only its two neighbours, the last and the first are neighbours. */
  ring(hosts: readonly string[]): void {
    this.#did("ring", hosts.join(" "));
    hosts.forEach((host, i) => {
      const neighbours = [hosts[(i + 1) % hosts.length], hosts[(i + hosts.length - 1) % hosts.length]];
      const far = hosts.filter((other) => other !== host && !neighbours.includes(other));
      this.#block([host], far, "all");
    });
  }

  /** Requests of `clients` arrive at `servers`, and nothing comes back. What `servers` ask of `clients` passes. */
  loseResponses(servers: readonly string[], clients: readonly string[]): void {
    this.#did("responses lost", `${servers} -x> ${clients}`);
    this.#block(servers, clients, "responses");
  }

  /** From now on packets take so much longer in this direction; 0 ends it. */
  delay(from: string, to: string, extraDelayMs: number): void {
    if (extraDelayMs > 0) this.#did("delay", `${from} -> ${to} ${extraDelayMs} ms`);
    this.#network.link(from, to).extraDelayMs = extraDelayMs;
  }

  slow(from: string, to: string, bytesPerMs: number): void {
    this.#did("slow link", `${from} -> ${to} ${bytesPerMs} bytes/ms`);
    this.#network.link(from, to).bytesPerMs = bytesPerMs;
  }

  reset(a: string, b: string): void {
    this.#did("reset", `${a} - ${b}`);
    this.#medium.count("connections reset", this.#network.resetConnections(a, b));
  }

  messages(rates: MessageRates): void {
    this.#did("message faults", JSON.stringify(rates));
    this.#messages.rates = rates;
  }

  /** Partitions of all kinds end. */
  heal(): void {
    this.#medium.world.note("network", "heals");
    for (const link of this.#network.links()) link.unblock();
  }

  /** All faults end, slow links and delays too. */
  calm(): void {
    this.heal();
    this.#messages.rates = noMessageFaults;
    for (const link of this.#network.links()) {
      link.extraDelayMs = 0;
      link.bytesPerMs = this.#medium.options.bytesPerMs;
    }
  }

  #block(from: readonly string[], to: readonly string[], what: "all" | "responses"): void {
    for (const a of from) for (const b of to) if (a !== b) this.#network.link(a, b).block(what);
  }

  #did(kind: string, detail: string): void {
    this.#medium.count(kind);
    this.#medium.world.note("network", `${kind}: ${detail}`);
  }
}
