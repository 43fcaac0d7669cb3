import type { LogIndex, ReplicaSetId } from "../../src/base/ids.js";
import type { HardState } from "../../src/consensus/types.js";
import type { ReplicaRecord, ReplicaStore, Snapshot } from "../../src/storage/replica-store.js";
import type { MemoryStore } from "./memory-store.js";

/**
 * The replica store as a process sees it: writes reach the disk one after the other, each in a later turn, and are answered then.
 * When the process dies, some of those under way are on the disk, in order, and none is answered any more.
 */
export class FaultyStore implements ReplicaStore {
  /** What the next process finds. */
  readonly disk: MemoryStore;
  readonly #turnsMax: () => number;
  #queue: (() => Promise<void>)[] = [];
  #isRunning = false;
  #isDead = false;
  /** Set: every write fails with it, now and ever after. */
  failure: Error | undefined;

  /** `turns` says how many turns of the event loop the next write takes. */
  constructor(disk: MemoryStore, turns: () => number) {
    this.disk = disk;
    this.#turnsMax = turns;
  }

  /** The process ends; `below` decides how much of what is under way was written. */
  async die(below: (bound: number) => number): Promise<void> {
    this.#isDead = true;
    for (const write of this.#queue.slice(0, below(this.#queue.length + 1))) await write();
  }

  replicas(): Promise<readonly ReplicaRecord[]> {
    return this.#read(() => this.disk.replicas());
  }

  createReplica(record: ReplicaRecord, initial: Snapshot): Promise<void> {
    return this.#write(() => this.disk.createReplica(record, initial));
  }

  removeReplica(id: ReplicaSetId): Promise<void> {
    return this.#write(() => this.disk.removeReplica(id));
  }

  hardState(id: ReplicaSetId): Promise<HardState> {
    return this.#read(() => this.disk.hardState(id));
  }

  saveHardState(id: ReplicaSetId, hardState: HardState): Promise<void> {
    return this.#write(() => this.disk.saveHardState(id, hardState));
  }

  snapshots(id: ReplicaSetId): Promise<readonly Snapshot[]> {
    return this.#read(() => this.disk.snapshots(id));
  }

  saveSnapshot(id: ReplicaSetId, snapshot: Snapshot, keep: readonly LogIndex[]): Promise<void> {
    return this.#write(() => this.disk.saveSnapshot(id, snapshot, keep));
  }

  get(key: string): Promise<Buffer | undefined> {
    return this.#read(() => this.disk.get(key));
  }

  put(key: string, value: Buffer): Promise<void> {
    return this.#write(() => this.disk.put(key, value));
  }

  /** What is under way ends first, so that nothing is written below whoever opens it next. */
  async close(): Promise<void> {
    while (this.#queue.length > 0 && !this.#isDead) await turn();
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    await turn();
    if (this.#isDead) await never();
    return read();
  }

  #write(write: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push(async () => {
        if (this.failure !== undefined) {
          reject(this.failure);
          return;
        }
        await write();
        if (!this.#isDead) resolve();
      });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      for (let turns = this.#turnsMax(); turns > 0; turns--) await turn();
      if (this.#isDead) return;
      this.#queue.shift();
      await next();
    }
    this.#isRunning = false;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const never = (): Promise<never> => new Promise(() => undefined);
