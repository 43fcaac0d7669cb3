import type { ReplicaStore } from "../replica-store.js";

const KEY = "journal";

interface Saved {
  readonly files: readonly number[];
  readonly group: number;
}

/**
 * Which files the journal consists of, in the broker's database: a file that is listed and missing is lost, one that is there and not listed
 * never counted, or counts no more.
 */
export class JournalList {
  readonly #store: Pick<ReplicaStore, "put">;
  #files: readonly number[];
  #group: number;

  private constructor(store: Pick<ReplicaStore, "put">, { files, group }: Saved) {
    this.#store = store;
    this.#files = files;
    this.#group = group;
  }

  static async load(store: Pick<ReplicaStore, "get" | "put">): Promise<JournalList> {
    const saved = await store.get(KEY);
    return new JournalList(store, saved === undefined ? { files: [], group: 0 } : (JSON.parse(saved.toString()) as Saved));
  }

  /** Numbers, ascending. */
  get files(): readonly number[] {
    return this.#files;
  }

  /** No group that was begun before the list was last saved has a higher number. */
  get group(): number {
    return this.#group;
  }

  /** On disk when it resolves. */
  async add(file: number, group: number): Promise<void> {
    await this.#save([...this.#files, file], group);
  }

  /** On disk when it resolves. */
  async remove(files: ReadonlySet<number>, group: number): Promise<void> {
    await this.#save(
      this.#files.filter((file) => !files.has(file)),
      group,
    );
  }

  async #save(files: readonly number[], group: number): Promise<void> {
    this.#files = files;
    this.#group = group;
    await this.#store.put(KEY, Buffer.from(JSON.stringify({ files, group } satisfies Saved)));
  }
}
