import type { Database } from "../../../src/storage/level-store.js";
import { failure } from "../../support/disk-image.js";
import type { Call } from "../../support/image-files.js";
import type { Chance } from "../kernel/chance.js";
import type { SimProcess } from "../kernel/sim-process.js";
import type { ProcessIo } from "./process-io.js";

type Change = Parameters<Database["batch"]>[0][number];
type Range = Parameters<Database["iterator"]>[0];

const UNDO_MAX = 64;

/** What a LevelDB folder holds. Batches are there whole or not at all. */
export class DatabaseImage {
  /** Who has it open, if it lives. */
  holder: SimProcess | undefined;
  #values = new Map<string, Buffer>();
  #sorted: string[] | undefined;
  /** What the last batches replaced. */
  #undo: (readonly [string, Buffer | undefined])[][] = [];
  /** So many of the last batches are in memory only. */
  #unsynced = 0;

  get(key: string): Buffer | undefined {
    return this.#values.get(key);
  }

  entries({ gte, lt, reverse = false }: Range): [string, Buffer][] {
    this.#sorted ??= [...this.#values.keys()].sort();
    const keys = this.#sorted.filter((key) => key >= gte && key < lt);
    return (reverse ? keys.reverse() : keys).map((key) => [key, this.#values.get(key) ?? Buffer.alloc(0)]);
  }

  apply(batch: readonly Change[], { sync }: { readonly sync: boolean } = { sync: true }): void {
    this.#unsynced = sync ? 0 : Math.min(this.#unsynced + 1, UNDO_MAX);
    this.#undo.push(batch.map(({ key }) => [key, this.#values.get(key)]));
    if (this.#undo.length > UNDO_MAX) this.#undo.shift();
    for (const change of batch) this.#set(change.key, change.type === "put" ? change.value : undefined);
  }

  /** Takes the last batches back, as LevelDB does without a word when the end of its log is damaged. Returns how many. */
  undo(batches: number): number {
    const gone = this.#undo.splice(Math.max(0, this.#undo.length - batches));
    for (const batch of gone.toReversed()) for (const [key, before] of batch.toReversed()) this.#set(key, before);
    return gone.length;
  }

  /** Batches go that nobody had synced, the last ones first. */
  losePower(chance: Chance): void {
    if (this.#unsynced > 0) this.undo(chance.below(this.#unsynced + 1));
    this.#unsynced = 0;
  }

  /** One bit of one value turns. Returns its key. */
  rot(chance: Chance): string | undefined {
    const key = chance.pick([...this.#values.keys()].sort());
    const value = key === undefined ? undefined : this.#values.get(key);
    if (key === undefined || value === undefined || value.length === 0) return undefined;
    const rotten = Buffer.from(value);
    const at = chance.below(value.length);
    rotten[at] = value.readUInt8(at) ^ (1 << chance.below(8));
    this.#values.set(key, rotten);
    return key;
  }

  /** Nobody has the copy open. */
  clone(): DatabaseImage {
    const copy = new DatabaseImage();
    copy.#values = new Map(this.#values);
    copy.#undo = [...this.#undo];
    return copy;
  }

  #set(key: string, value: Buffer | undefined): void {
    if (this.#values.has(key) !== (value !== undefined)) this.#sorted = undefined;
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
  }
}

export interface SimDatabaseOptions {
  readonly image: DatabaseImage;
  readonly path: string;
  readonly io: ProcessIo;
  readonly chance: Chance;
}

/** A database that a simulated process has open, as the real replica store uses it. */
export class SimDatabase implements Database {
  readonly #image: DatabaseImage;
  readonly #path: string;
  readonly #io: ProcessIo;
  readonly #chance: Chance;

  constructor({ image, path, io, chance }: SimDatabaseOptions) {
    this.#image = image;
    this.#path = path;
    this.#io = io;
    this.#chance = chance;
  }

  get(key: string): Promise<Buffer | undefined> {
    return this.#read(() => this.#image.get(key));
  }

  async *iterator(range: Range): AsyncGenerator<[string, Buffer]> {
    yield* await this.#read(() => this.#image.entries(range));
  }

  keys(range: Range): { all(): Promise<string[]> } {
    return { all: () => this.#read(() => this.#image.entries(range).map(([key]) => key)) };
  }

  batch(changes: Change[], options: { readonly sync: boolean }): Promise<void> {
    return this.#settled({
      operation: "write-database",
      path: this.#path,
      bytes: changes.reduce((sum, change) => sum + (change.type === "put" ? change.value.length : 0), 0),
      effect: () => this.#image.apply(changes, options),
      // What failed may be found by the next process all the same.
      underFault: ({ code }) => {
        if (this.#chance.oneIn(2)) this.#image.apply(changes, options);
        throw failure(code, this.#path);
      },
    });
  }

  close(): Promise<void> {
    const effect = (): void => {
      this.#image.holder = undefined;
    };
    return this.#settled({ operation: "close", path: this.#path, bytes: 0, effect });
  }

  #read<T>(effect: () => T): Promise<T> {
    return this.#settled({ operation: "read-database", path: this.#path, bytes: 0, effect });
  }

  #settled<T>(call: Call<T>): Promise<T> {
    return new Promise((resolve, reject) => this.#io.carryOut(call, (error, value) => (error === null ? resolve(value as T) : reject(error))));
  }
}
