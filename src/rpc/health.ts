import type { Server } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { RpcServer } from "../wire/transport.js";

/** Says whether this broker should get traffic: false while it recovers, drains, or is cut off from the cluster. */
export interface Readiness {
  readonly serving: boolean;
  /** Calls back after changes, until the returned function is called. */
  watch(changed: () => void): () => void;
}

/** `grpc.health.v1` for every service by name, and for the broker as a whole (""). Not serving until `follow` says otherwise. */
export class Health {
  readonly #services: readonly string[];
  readonly #health: HealthImplementation;
  #unwatch: (() => void) | undefined;

  constructor(server: RpcServer, services: readonly string[]) {
    this.#services = ["", ...services];
    this.#health = new HealthImplementation(Object.fromEntries(this.#services.map((name) => [name, "NOT_SERVING" as const])));
    // It only adds a service.
    this.#health.addToServer(server as Server);
  }

  follow(readiness: Readiness): void {
    let serving = false;
    const update = (): void => {
      if (readiness.serving === serving) return;
      serving = readiness.serving;
      this.#set(serving ? "SERVING" : "NOT_SERVING");
    };
    this.#unwatch = readiness.watch(update);
    update();
  }

  /** Not serving from now on, whatever is followed. */
  drain(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#set("NOT_SERVING");
  }

  #set(status: "SERVING" | "NOT_SERVING"): void {
    for (const name of this.#services) this.#health.setStatus(name, status);
  }
}
