import { bytes, type Quire } from "../../../src/client/index.js";
import type { FinalRead } from "../checkers/history.js";
import { SimClient } from "./sim-client.js";
import type { Simulation } from "./simulation.js";
import { recordsOf } from "./workload.js";

type Growing<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] };

/** When all faults are over: every partition is written to and read, from its first record to its last, as a new client would. */
export class FinalReads {
  readonly #simulation: Simulation;
  readonly #client: SimClient;
  readonly #topics: ReadonlyMap<string, number>;
  readonly #reads = new Map<string, Growing<FinalRead>>();

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    this.#topics = new Map(simulation.plan.topics.map(({ name, partitions }) => [name, partitions]));
    const { world, network, addresses } = simulation;
    this.#client = new SimClient({ world, network, name: "final", brokers: addresses, work: ({ quire, isOn }) => this.#readAll(quire, isOn) });
  }

  begin(): void {
    this.#client.start();
  }

  get isDone(): boolean {
    return this.#client.isDone;
  }

  /** What was read is what there is. A partition that could not be read has halted: nothing can be said of its end. */
  conclude(): void {
    for (const [topic, partitions] of this.#topics) {
      for (let partition = 0; partition < partitions; partition++) {
        const name = `${topic}/${partition}`;
        const read = this.#reads.get(name);
        if (read === undefined) this.#simulation.recorder.deleted(name);
        else this.#simulation.recorder.finalRead(read);
      }
    }
  }

  async #readAll(quire: Quire, isOn: () => boolean): Promise<void> {
    for (const [name, partitions] of this.#topics) {
      for (let partition = 0; partition < partitions && isOn(); partition++) {
        while (isOn() && !(await this.#read(quire, name, partition)));
      }
    }
    this.#client.end();
  }

  /** False when it must be tried again: retention may take records while they are read. */
  async #read(quire: Quire, name: string, partition: number): Promise<boolean> {
    const topic = quire.topic(name, { serializer: bytes });
    try {
      const logStart = (await topic.offsets("earliest")).get(partition) ?? 0;
      const read: Growing<FinalRead> = { partition: `${name}/${partition}`, logStart, records: [] };
      for await (const batch of topic.read({ from: { offset: logStart }, to: "latest", partitions: [partition] }).batches())
        read.records.push(...recordsOf(batch));
      this.#reads.set(read.partition, read);
      return true;
    } catch (thrown) {
      const { world } = this.#simulation;
      world.trace.tell(world.nowMs, "final", () => `${name}/${partition}: ${String(thrown)}`);
      return false;
    }
  }
}
