/**
 * The file port: every byte that storage keeps goes through here, so that a simulated disk can lie. `node-files.ts` is the
 * adapter for a real one. Errors are the operating system's (`code` EIO, ENOSPC, …) and are passed on as they are.
 */
import { dirname } from "node:path";

/** One open file. Calls on the hot path take callbacks: a promise per write is measurable. */
export interface OpenFile {
  /** Writes the chunks one after the other from `position` on. May write less than all, as the system may; `writeFully` repeats. */
  write(chunks: readonly Buffer[], position: number, done: (error: Error | null, bytesWritten: number) => void): void;
  /** fdatasync: what was written, and the length, last from here on. */
  sync(done: (error: Error | null) => void): void;
  /**
   * Reads up to `into.length` bytes; fewer at the end of the file, or as the system likes; `readFully` repeats.
   *
   * @param isOld nobody else is expected to read these bytes soon: they need not stay in the system's page cache
   */
  read(into: Buffer, position: number, done: (error: Error | null, bytesRead: number) => void, isOld?: boolean): void;
  /** Cuts the file to `bytes`, synced before it resolves. */
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
}

/** `read`: must exist. `write`: must exist, for both. `create`: must not exist, for both. `replace`: emptied if it exists. */
export type OpenMode = "read" | "write" | "create" | "replace";

export interface Files {
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  /** Names in a folder, in no order; undefined when there is no such folder. */
  list(folder: string): Promise<readonly string[] | undefined>;
  /** Bytes of a file; undefined when there is none. */
  size(path: string): Promise<number | undefined>;
  /** The whole of a small file; undefined when there is none. */
  readAll(path: string): Promise<Buffer | undefined>;
  /** Blocks. Only for what is rare and cannot wait: finding where a log is cut. Fewer bytes at the end of the file. */
  readSync(path: string, position: number, bytes: number): Buffer;
  /** With the folders above it; no error when it exists. */
  makeFolder(path: string): Promise<void>;
  /** With all that is in it; no error when it does not exist. */
  removeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** No error when it does not exist. */
  remove(path: string): Promise<void>;
  /** Makes names created, renamed and removed in this folder last. */
  syncFolder(path: string): Promise<void>;
  /** Bytes that this process may still write where `path` is. */
  freeBytes(path: string): Promise<number>;
}

/** Writes all of it, however many calls that takes. */
export function writeFully(file: OpenFile, chunks: readonly Buffer[], position: number, done: (error: Error | null) => void): void {
  const total = totalBytes(chunks);
  file.write(chunks, position, (error, written) => {
    if (error !== null) return done(error);
    if (written === total) return done(null);
    if (written === 0) return done(new Error(`a write of ${total} bytes at ${position} made no progress`));
    return writeFully(file, chunksAfter(chunks, written), position + written, done);
  });
}

export function totalBytes(chunks: readonly Buffer[]): number {
  let total = 0;
  for (const chunk of chunks) total += chunk.length;
  return total;
}

/** The chunks' first `bytes`, of which there are more. */
export function firstBytesOf(chunks: readonly Buffer[], bytes: number): readonly Buffer[] {
  const first: Buffer[] = [];
  let left = bytes;
  for (const chunk of chunks) {
    if (left <= chunk.length) return [...first, chunk.subarray(0, left)];
    first.push(chunk);
    left -= chunk.length;
  }
  return first;
}

function chunksAfter(chunks: readonly Buffer[], bytes: number): readonly Buffer[] {
  let skip = bytes;
  const rest: Buffer[] = [];
  for (const chunk of chunks) {
    if (skip < chunk.length) rest.push(skip === 0 ? chunk : chunk.subarray(skip));
    skip = Math.max(0, skip - chunk.length);
  }
  return rest;
}

/** Reads until `into` is full or the file ends; resolves with what was read. */
export function readFully(file: OpenFile, into: Buffer, position: number, isOld = false): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const from = (at: number): void => {
      const done = (error: Error | null, read: number): void => {
        if (error !== null) reject(error);
        else if (read === 0 || at + read === into.length) resolve(into.subarray(0, at + read));
        else from(at + read);
      };
      file.read(into.subarray(at), position + at, done, isOld);
    };
    from(0);
  });
}

export const syncFile = (file: OpenFile): Promise<void> => new Promise((resolve, reject) => file.sync((error) => (error === null ? resolve() : reject(error))));

/** Makes a folder whose name lasts; the folder above it must be there to stay. */
export async function makeLastingFolder(files: Files, path: string): Promise<void> {
  await files.makeFolder(path);
  await files.syncFolder(dirname(path));
}

/** Puts `bytes` in the place of the file, all or nothing, on disk before it resolves. */
export async function replaceFile(files: Files, folder: string, name: string, bytes: Buffer): Promise<void> {
  const temporary = `${folder}/${name}.tmp`;
  await writeFile(files, temporary, bytes, { sync: true });
  await files.rename(temporary, `${folder}/${name}`);
  await files.syncFolder(folder);
}

export async function writeFile(files: Files, path: string, bytes: Buffer, { sync }: { sync: boolean }): Promise<void> {
  const file = await files.open(path, "replace");
  try {
    await new Promise<void>((resolve, reject) => writeFully(file, [bytes], 0, (error) => (error === null ? resolve() : reject(error))));
    if (sync) await syncFile(file);
  } finally {
    await file.close();
  }
}
