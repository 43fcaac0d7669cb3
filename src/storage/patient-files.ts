import { QuireError } from "../base/errors.js";
import type { Clock } from "../base/ports.js";
import type { Files, OpenFile, OpenMode } from "./files.js";

/** Before each further attempt at a read that failed. */
const PAUSES_MS = [10, 100, 1_000] as const;
/** Attempts at a blocking read, which cannot pause. */
const BLOCKING_ATTEMPTS = PAUSES_MS.length + 1;

/**
 * The files of logs, read with patience: a device's error may pass, so a read that fails with EIO is tried again a few times before
 * it counts as damage. Reads only: a write or sync that failed is never repeated (safety.md, rule 11).
 *
 * What stays unreadable, and a file to be read that is gone, is rejected with LOG_CORRUPT: as lost as what reads wrong.
 */
export class PatientFiles implements Files {
  readonly #files: Files;
  readonly #clock: Clock;

  constructor(files: Files, clock: Clock) {
    this.#files = files;
    this.#clock = clock;
  }

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    if (mode !== "read") return this.#files.open(path, mode);
    const file = await this.#patiently(() => this.#files.open(path, mode));
    return new PatientFile(file, this.#clock);
  }

  list(folder: string): Promise<readonly string[] | undefined> {
    return this.#patiently(() => this.#files.list(folder));
  }

  size(path: string): Promise<number | undefined> {
    return this.#patiently(() => this.#files.size(path));
  }

  readAll(path: string): Promise<Buffer | undefined> {
    return this.#patiently(() => this.#files.readAll(path));
  }

  readSync(path: string, position: number, bytes: number): Buffer {
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#files.readSync(path, position, bytes);
      } catch (error) {
        if (attempt >= BLOCKING_ATTEMPTS || !mayPass(error)) throw asDamage(error);
      }
    }
  }

  makeFolder(path: string): Promise<void> {
    return this.#files.makeFolder(path);
  }

  removeFolder(path: string): Promise<void> {
    return this.#files.removeFolder(path);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#files.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.#files.remove(path);
  }

  syncFolder(path: string): Promise<void> {
    return this.#files.syncFolder(path);
  }

  freeBytes(path: string): Promise<number> {
    return this.#files.freeBytes(path);
  }

  async #patiently<T>(read: () => Promise<T>): Promise<T> {
    for (const pauseMs of PAUSES_MS) {
      try {
        return await read();
      } catch (error) {
        if (!mayPass(error)) throw asDamage(error);
      }
      await new Promise<void>((resolve) => this.#clock.after(pauseMs, resolve));
    }
    return read().catch((error: unknown) => Promise.reject(asDamage(error)));
  }
}

/** A file that is only read. */
class PatientFile implements OpenFile {
  readonly #file: OpenFile;
  readonly #clock: Clock;

  constructor(file: OpenFile, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  read(into: Buffer, position: number, done: (error: Error | null, bytesRead: number) => void, isOld?: boolean): void {
    const attempt = (failures: number): void => {
      const attempted = (error: Error | null, bytesRead: number): void => {
        if (error === null) return done(null, bytesRead);
        const pauseMs = PAUSES_MS[failures];
        if (pauseMs === undefined || !mayPass(error)) return done(asDamage(error), 0);
        this.#clock.after(pauseMs, () => attempt(failures + 1));
      };
      this.#file.read(into, position, attempted, isOld);
    };
    attempt(0);
  }

  write(chunks: readonly Buffer[], position: number, done: (error: Error | null, bytesWritten: number) => void): void {
    this.#file.write(chunks, position, done);
  }

  sync(done: (error: Error | null) => void): void {
    this.#file.sync(done);
  }

  truncate(bytes: number): Promise<void> {
    return this.#file.truncate(bytes);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

const hasCode = (error: unknown, code: string): boolean => error instanceof Error && "code" in error && error.code === code;

const mayPass = (error: unknown): boolean => hasCode(error, "EIO");

/** What the disk cannot give back is as lost as what it gives back wrong. Any other error (too many open files, say) stays as it is. */
function asDamage(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (!mayPass(error) && !hasCode(error, "ENOENT")) return error;
  return new QuireError("LOG_CORRUPT", `a log cannot be read: ${error.message}; check the disk; the other replicas have what is lost here`, { cause: error });
}
