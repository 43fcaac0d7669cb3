import type { Clock } from "../base/ports.js";
import type { Files } from "./files.js";
import { JOURNAL_LIMITS, type Journal, openJournal } from "./journal/journal.js";
import type { Log, LogCallbacks, LogSettings } from "./log.js";
import { OpenSegments } from "./open-segments.js";
import { PatientFiles } from "./patient-files.js";
import type { ReplicaRecord, ReplicaStore } from "./replica-store.js";
import { openSegmentedLog } from "./segmented-log.js";
import { TailCache } from "./tail-cache.js";

interface SegmentedLogsOptions {
  readonly files: Files;
  readonly clock: Clock;
  /** Holds a folder for each log. */
  readonly folder: string;
  /** Where the replicas of these logs are recorded; tells a new replica from one that lost its log. */
  readonly store: Pick<ReplicaStore, "hardState" | "get" | "put" | "replicas">;
  /** The journal that all logs share for appends up to a size; without one, each log is synced by itself. */
  readonly journal?: { readonly folder: string; readonly appendBytesMax: number };
  /** Bytes of recent frames in memory, of all logs together. */
  readonly cacheBytes: number;
}

/** Files open for reading, of all logs together. */
const OPEN_SEGMENTS_MAX = 128;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** All logs of one broker: a folder for each, one memory budget for all. */
export class SegmentedLogs {
  readonly #options: SegmentedLogsOptions;
  readonly #files: Files;
  readonly #tailCache: TailCache;
  readonly #openSegments: OpenSegments;
  #bootId: Promise<string> | undefined;
  #journal: Promise<Journal> | undefined;

  constructor(options: SegmentedLogsOptions) {
    this.#options = options;
    this.#tailCache = new TailCache(options.cacheBytes);
    this.#files = new PatientFiles(options.files, options.clock);
    this.#openSegments = new OpenSegments(this.#files, OPEN_SEGMENTS_MAX);
  }

  /**
   * Opens the log of a replica, or makes it. A replica that was never in a term has promised nothing, so its log may be missing;
   * any other whose log is missing has lost it.
   */
  async open(record: ReplicaRecord, settings: LogSettings, callbacks: LogCallbacks): Promise<Log> {
    const { clock, store } = this.#options;
    const files = this.#files;
    this.#bootId ??= readBootId(files);
    const { term } = await store.hardState(record.replicaSetId);
    const [tailCache, openSegments, folder, bootId] = [this.#tailCache, this.#openSegments, this.#folderOf(record), await this.#bootId];
    const journal = await this.#openJournal();
    const options = { files, clock, folder, settings, callbacks, tailCache, openSegments, bootId, isNew: term === 0 };
    return openSegmentedLog(journal === undefined ? options : { ...options, journal: { journal, record } });
  }

  /** When all logs are closed. */
  async close(): Promise<void> {
    const journal = await this.#journal?.catch(() => undefined);
    await journal?.close();
  }

  /** Moves a closed log out of the way, in place of one that was moved before; returns where it is now. */
  async setAside(record: ReplicaRecord): Promise<string> {
    const { files, folder } = this.#options;
    const aside = this.#asideOf(record);
    await files.removeFolder(aside);
    await files.rename(this.#folderOf(record), aside);
    await files.syncFolder(folder);
    (await this.#journal?.catch(() => undefined))?.released(record);
    return aside;
  }

  /** Removes a closed log and all that is in it, and what was moved out of its way. */
  async delete(record: ReplicaRecord): Promise<void> {
    const { files, folder } = this.#options;
    await files.removeFolder(this.#asideOf(record));
    await files.removeFolder(this.#folderOf(record));
    if ((await files.list(folder)) !== undefined) await files.syncFolder(folder);
    (await this.#journal?.catch(() => undefined))?.released(record);
  }

  /** With the first log: before it, nothing is known of what the former process left. */
  async #openJournal(): Promise<Journal | undefined> {
    const { journal, store, clock } = this.#options;
    if (journal === undefined) return undefined;
    const limits = { ...JOURNAL_LIMITS, partBytesMax: journal.appendBytesMax };
    this.#journal ??= openJournal({ files: this.#files, folder: journal.folder, store, clock, limits });
    try {
      return await this.#journal;
    } catch (error) {
      // The next one who opens a log tries again.
      this.#journal = undefined;
      throw error;
    }
  }

  #asideOf(record: ReplicaRecord): string {
    return `${this.#folderOf(record)}.damaged`;
  }

  #folderOf({ replicaSetId, replicaId }: ReplicaRecord): string {
    return `${this.#options.folder}/${replicaSetId}-${replicaId}`;
  }
}

/** A name for the time since the machine was started; empty where the system has none. */
async function readBootId(files: Files): Promise<string> {
  try {
    return (await files.readAll(BOOT_ID))?.toString().trim() ?? "";
  } catch {
    return "";
  }
}
