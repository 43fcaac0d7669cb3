/** Files of the real file system whose bytes tell where they stand. */
import { constants, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type OpenFile, writeFully } from "../../src/storage/files.js";
import { nodeFiles } from "../../src/storage/node-files.js";

/** O_ACCMODE, which Node does not name. */
const ACCESS = 3;

export const written = (file: OpenFile, chunks: readonly Buffer[], position: number): Promise<void> =>
  new Promise((resolve, reject) => writeFully(file, chunks, position, (error) => (error === null ? resolve() : reject(error))));

/** Bytes that tell where they stand. */
export function bytesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8) * 7 + seed) & 0xff;
  return bytes;
}

/** Open descriptors of the file that go past the page cache, for reading (O_RDONLY) or writing (O_WRONLY). */
export function directDescriptors(path: string, access: number): number {
  const isOf = (descriptor: string): boolean => {
    try {
      if (readlinkSync(`/proc/self/fd/${descriptor}`) !== path) return false;
      const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))?.[1] ?? "0";
      return (Number.parseInt(flags, 8) & (constants.O_DIRECT | ACCESS)) === (constants.O_DIRECT | access);
    } catch {
      return false;
    }
  };
  return readdirSync("/proc/self/fd").filter(isOf).length;
}

export async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "quire-direct-"));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}

export async function opened(context: TestContext, name: string): Promise<{ path: string; file: OpenFile }> {
  const path = `${await temporaryFolder(context)}/${name}`;
  const file = await nodeFiles.open(path, "create");
  context.after(() => file.close());
  return { path, file };
}
