/** What a worker counts, and says of it. */
import { QuireError } from "../../base/errors.js";
import { machineMonotonicMs } from "../../base/system-ports.js";
import type { WorkerReport } from "./worker-messages.js";

/** Between two reports; a worker that is not asked for so long counts on without samples. */
const SAMPLES_MAX = 1_000_000;

export class Tally {
  #records = 0;
  #bytes = 0;
  #failed = 0;
  #firstFailure: string | undefined;
  #latenciesUs: number[] = [];
  readonly #lastMs = new Map<number, number>();
  #longestPauseMs = 0;

  get records(): number {
    return this.#records;
  }

  counted(records: number, bytes: number): void {
    this.#records += records;
    this.#bytes += bytes;
  }

  /** @param fromMs when the records were to be sent, on the machine's clock */
  latency(fromMs: number, nowMs: number, records = 1): void {
    const us = Math.max(0, Math.round((nowMs - fromMs) * 1e3));
    for (let at = 0; at < records && this.#latenciesUs.length < SAMPLES_MAX; at++) this.#latenciesUs.push(us);
  }

  /** Something of this partition was acknowledged. */
  heard(partition: number, nowMs: number): void {
    const lastMs = this.#lastMs.get(partition) ?? nowMs;
    if (nowMs - lastMs > this.#longestPauseMs) this.#longestPauseMs = nowMs - lastMs;
    this.#lastMs.set(partition, nowMs);
  }

  failed(thrown: unknown, records = 1): void {
    this.#failed += records;
    this.#firstFailure ??= thrown instanceof QuireError ? `${thrown.reason}: ${thrown.message}` : String(thrown);
  }

  report({ asked }: { readonly asked: boolean }): WorkerReport {
    const latenciesUs = Uint32Array.from(this.#latenciesUs);
    this.#latenciesUs = [];
    const atMs = machineMonotonicMs();
    // A pause that goes on counts too.
    const longestPauseMs = asked ? Math.max(this.#longestPauseMs, ...[...this.#lastMs.values()].map((lastMs) => atMs - lastMs)) : 0;
    if (asked) this.#longestPauseMs = 0;
    return {
      atMs,
      records: this.#records,
      bytes: this.#bytes,
      failed: this.#failed,
      firstFailure: this.#firstFailure,
      latenciesUs,
      longestPauseMs,
    };
  }
}
