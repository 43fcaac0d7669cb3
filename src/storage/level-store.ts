import { crc32 } from "node:zlib";
import { Level } from "level";
import { QuireError } from "../base/errors.js";
import { type LogIndex, type ReplicaSetId, term } from "../base/ids.js";
import { MIB } from "../base/limits.js";
import type { HardState } from "../consensus/types.js";
import type { ReplicaRecord, ReplicaStore, Snapshot } from "./replica-store.js";

type Operation = { readonly type: "put"; readonly key: string; readonly value: Buffer } | { readonly type: "del"; readonly key: string };

/** Numbers in keys have 16 digits, so that keys sort as their numbers do; enough for every safe integer. */
const digits = (value: number): string => String(value).padStart(16, "0");

/**
 * Every key of the database. Values begin with the CRC-32 of the rest; snapshots hold the length of a JSON header, the header and the
 * state; all else is JSON or, for `value/`, bytes as they were given.
 */
const keys = {
  replica: (id: ReplicaSetId) => `replica/${digits(id)}`,
  hardState: (id: ReplicaSetId) => `hard-state/${digits(id)}`,
  snapshot: (id: ReplicaSetId, index: LogIndex) => `snapshot/${digits(id)}/${digits(index)}`,
  value: (key: string) => `value/${key}`,
};
/** Greater than every key that begins with what comes before it. */
const END = "\uffff";

/** Of what is not yet in a table, and of tables in memory: what is kept here is small, and read once. LevelDB's own defaults are 4 and 8 MiB. */
const BUFFER_BYTES = MIB;

const NO_HARD_STATE: HardState = { term: term(0), votedFor: null };

/** `OpenStore` on a real disk. */
export async function openLevelStore(folder: string): Promise<LevelStore> {
  const level = new Level<string, Buffer>(folder, { keyEncoding: "utf8", valueEncoding: "buffer", writeBufferSize: BUFFER_BYTES, cacheSize: BUFFER_BYTES });
  try {
    await level.open();
  } catch (error) {
    const { cause } = error as Error;
    if (cause instanceof Error && "code" in cause && cause.code === "LEVEL_LOCKED") {
      throw new QuireError("DATA_FOLDER_IN_USE", `the database in ${folder} is open in another process; stop that one first`, { cause: error });
    }
    throw error;
  }
  return new LevelStore(level);
}

interface KeyRange {
  readonly gte: string;
  readonly lt: string;
  readonly reverse?: boolean;
}

/** What the store needs of `level`: sorted keys, and batches that are on disk when they resolve, whole or not at all. */
export interface Database {
  get(key: string): Promise<Buffer | undefined>;
  batch(operations: Operation[], options: { readonly sync: true }): Promise<void>;
  iterator(range: KeyRange): AsyncIterable<[string, Buffer]>;
  keys(range: KeyRange): { all(): Promise<string[]> };
  close(): Promise<void>;
}

/** The replica store over one `level` database. One synced batch is under way; whatever is saved meanwhile is the next one. */
export class LevelStore implements ReplicaStore {
  readonly #level: Database;
  #queued: Operation[] = [];
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  /** Synced batches since opening. */
  syncs = 0;

  constructor(level: Database) {
    this.#level = level;
  }

  async replicas(): Promise<readonly ReplicaRecord[]> {
    const found: ReplicaRecord[] = [];
    for await (const [key, value] of this.#level.iterator({ gte: "replica/", lt: `replica/${END}` })) {
      found.push(JSON.parse(checked(key, value).toString()) as ReplicaRecord);
    }
    return found;
  }

  createReplica(record: ReplicaRecord, initial: Snapshot): Promise<void> {
    const { replicaSetId: id } = record;
    return this.#write([put(keys.replica(id), json(record)), put(keys.snapshot(id, initial.index), encodeSnapshot(initial))]);
  }

  async removeReplica(id: ReplicaSetId): Promise<void> {
    await this.#write([del(keys.replica(id)), del(keys.hardState(id)), ...(await this.#snapshotKeys(id)).map(del)]);
  }

  async hardState(id: ReplicaSetId): Promise<HardState> {
    const key = keys.hardState(id);
    const value = await this.#level.get(key);
    return value === undefined ? NO_HARD_STATE : (JSON.parse(checked(key, value).toString()) as HardState);
  }

  saveHardState(id: ReplicaSetId, { term: termOf, votedFor }: HardState): Promise<void> {
    return this.#write([put(keys.hardState(id), json({ term: termOf, votedFor }))]);
  }

  async snapshots(id: ReplicaSetId): Promise<readonly Snapshot[]> {
    const found: Snapshot[] = [];
    for await (const [key, value] of this.#level.iterator({ gte: `snapshot/${digits(id)}/`, lt: `snapshot/${digits(id)}/${END}`, reverse: true })) {
      found.push(decodeSnapshot(checked(key, value)));
    }
    return found;
  }

  async saveSnapshot(id: ReplicaSetId, snapshot: Snapshot, keep: readonly LogIndex[]): Promise<void> {
    const kept = new Set([...keep, snapshot.index].map((index) => keys.snapshot(id, index)));
    const gone = (await this.#snapshotKeys(id)).filter((key) => !kept.has(key));
    await this.#write([...gone.map(del), put(keys.snapshot(id, snapshot.index), encodeSnapshot(snapshot))]);
  }

  async get(key: string): Promise<Buffer | undefined> {
    const value = await this.#level.get(keys.value(key));
    return value && checked(keys.value(key), value);
  }

  put(key: string, value: Buffer): Promise<void> {
    return this.#write([put(keys.value(key), value)]);
  }

  async close(): Promise<void> {
    await (this.#next ?? this.#running).catch(() => undefined);
    await this.#level.close();
  }

  async #snapshotKeys(id: ReplicaSetId): Promise<string[]> {
    return this.#level.keys({ gte: `snapshot/${digits(id)}/`, lt: `snapshot/${digits(id)}/${END}` }).all();
  }

  /** On disk when it resolves. After a failed write nothing is written again (safety.md, rule 11). */
  #write(operations: readonly Operation[]): Promise<void> {
    this.#queued.push(...operations);
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        this.#running = this.#writeQueued();
        return this.#running;
      });
    return this.#next;
  }

  async #writeQueued(): Promise<void> {
    const operations = this.#queued;
    this.#queued = [];
    if (this.#failure !== undefined) {
      throw new QuireError("REPLICA_FAILED", `the database stopped: ${this.#failure.message}; restart the broker once its disk works`, {
        cause: this.#failure,
      });
    }
    try {
      await this.#level.batch(operations, { sync: true });
      this.syncs += 1;
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
  }
}

const put = (key: string, value: Buffer): Operation => {
  const bytes = Buffer.allocUnsafe(4 + value.length);
  bytes.writeUInt32LE(crc32(value));
  bytes.set(value, 4);
  return { type: "put", key, value: bytes };
};
const del = (key: string): Operation => ({ type: "del", key });
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** The value without its checksum. LevelDB does not check what it reads unless told to, and it cannot be told to from here. */
function checked(key: string, value: Buffer): Buffer {
  const rest = value.subarray(4);
  if (value.length >= 4 && value.readUInt32LE() === crc32(rest)) return rest;
  throw new QuireError("LOG_CORRUPT", `the value of ${key} in the database is damaged; remove this broker's data folder and let it join anew`, {
    details: { key },
  });
}

function encodeSnapshot({ state, ...header }: Snapshot): Buffer {
  const head = json(header);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length);
  return Buffer.concat([length, head, state]);
}

function decodeSnapshot(bytes: Buffer): Snapshot {
  const end = 4 + bytes.readUInt32LE();
  const { index, term, nextOffset, configuration } = JSON.parse(bytes.toString("utf8", 4, end)) as Omit<Snapshot, "state">;
  return { index, term, nextOffset, configuration, state: bytes.subarray(end) };
}
