import { assert } from "../../../src/base/assert.js";
import { QuireError } from "../../../src/base/errors.js";
import type { Files } from "../../../src/storage/files.js";
import { LevelStore } from "../../../src/storage/level-store.js";
import type { OpenStore } from "../../../src/storage/replica-store.js";
import { DiskImage, type Fault } from "../../support/disk-image.js";
import { type Call, type Done, type Operation, perform } from "../../support/image-files.js";
import type { Chance } from "../kernel/chance.js";
import type { Machine } from "../kernel/machine.js";
import type { SimProcess } from "../kernel/sim-process.js";
import type { World } from "../kernel/world.js";
import { DiskSpeed } from "./disk-speed.js";
import { MediaFaults, type Where } from "./media-faults.js";
import { ProcessIo } from "./process-io.js";
import { DatabaseImage, SimDatabase } from "./sim-database.js";
import { SimFiles } from "./sim-files.js";

export interface SimDiskOptions {
  readonly world: World;
  /** Whose power it loses. */
  readonly machine: Machine;
  readonly capacityBytes: number;
  /** What a power cut leaves whole; drawn when not given. */
  readonly sectorBytes?: 512 | 4096;
}

/** The next call of a kind that meets a fault. */
export interface Trap extends Fault {
  readonly operation: Operation;
  /** Of the files that it may meet; any by default. */
  readonly where?: Where;
}

/** All that a disk held at one time. */
export interface DiskCopy {
  readonly image: DiskImage;
  readonly databases: ReadonlyMap<string, DatabaseImage>;
}

/** The disk of a simulated machine: files and databases that outlive processes, and all that may go wrong with them. */
export class SimDisk {
  readonly speed: DiskSpeed;
  /** For what is decided about it. */
  readonly chance: Chance;
  /** Faults that took effect, by kind. */
  readonly counts: Record<string, number> = {};
  /** Decides the fate of each call, besides traps. */
  fault: (operation: Operation, path: string) => Fault | undefined = () => undefined;
  readonly media: MediaFaults;
  readonly #world: World;
  readonly #machine: Machine;
  #image: DiskImage;
  #databases = new Map<string, DatabaseImage>();
  #traps: Trap[] = [];

  constructor({ world, machine, capacityBytes, sectorBytes }: SimDiskOptions) {
    this.#world = world;
    this.#machine = machine;
    this.chance = world.random(`disk ${machine.name}`);
    this.speed = new DiskSpeed(world.random(`disk ${machine.name} speed`));
    const counted = (kind: string, what: string): void => this.#count(kind, what);
    this.media = new MediaFaults({ chance: world.random(`disk ${machine.name} media`), image: () => this.#image, counted });
    this.#image = this.#inUse(new DiskImage({ capacityBytes, sectorBytes: sectorBytes ?? (this.chance.oneIn(2) ? 512 : 4096) }));
    machine.onPowerLoss(() => {
      this.#image = this.#inUse(this.#image.crash((bound) => this.chance.below(bound)));
      for (const database of this.#databases.values()) database.losePower(this.chance);
    });
  }

  /** Of a process on its machine. */
  portsOf(process: SimProcess): { readonly files: Files; readonly openStore: OpenStore } {
    assert(process.machine === this.#machine, "a disk is used by its own machine");
    const io = new ProcessIo(process, this);
    return { files: new SimFiles(this.#image, process, io), openStore: (folder) => this.#openStore(folder, process, io) };
  }

  /** Paths of all files, sorted. */
  paths(): string[] {
    return this.#image.paths();
  }

  /** These bytes of the file, if they are there after any power cut. */
  durableBytes(path: string, from: number, to: number): Buffer | undefined {
    const inode = this.#image.file(path);
    if (inode?.isDurable(from, to) !== true || !this.#image.isNamed(path)) return undefined;
    const bytes = Buffer.allocUnsafe(to - from);
    inode.read(bytes, from);
    return bytes;
  }

  get freeBytes(): number {
    return this.#image.freeBytes;
  }

  get capacityBytes(): number {
    return this.#image.capacityBytes;
  }

  /** A smaller capacity than what is there leaves nothing free. */
  set capacityBytes(bytes: number) {
    this.#image.capacityBytes = bytes;
  }

  /** The next such call fails so, once. */
  failNext(trap: Trap): void {
    this.#traps.push(trap);
  }

  /** What was to fail does not fail any more. */
  heal(): void {
    this.#traps = [];
    this.fault = () => undefined;
    this.speed.slowness = 1;
    this.media.heal();
  }

  /** A value of a database rots, or its last batches are taken back. */
  damageDatabases({ batches }: { batches?: number } = {}): void {
    for (const [path, database] of this.#databases) {
      if (batches !== undefined) this.#count("database-undone", `${path}: ${database.undo(batches)} batches`);
      else this.#count("database-rot", `${path}: ${database.rot(this.chance)}`);
    }
  }

  /** Another, empty disk in its place. Nobody may have it open. */
  wipe(): void {
    this.#count("wipe", "is new");
    this.#put({ image: new DiskImage(this.#image), databases: new Map() });
  }

  copy(): DiskCopy {
    return { image: this.#image.clone(), databases: new Map([...this.#databases].map(([path, database]) => [path, database.clone()])) };
  }

  /** The disk is again what it was when the copy was made. Nobody may have it open. */
  restore({ image, databases }: DiskCopy): void {
    this.#count("old-copy", "is an old copy");
    this.#put({ image: image.clone(), databases: new Map([...databases].map(([path, database]) => [path, database.clone()])) });
  }

  /** Does a call as it fares on this disk, and returns what answers it. */
  answerTo<T>(call: Call<T>, done: Done<T>): () => void {
    const fault = this.#fateOf(call);
    try {
      const value = perform(call, fault);
      return () => done(null, value);
    } catch (error) {
      if (fault === undefined && (error as { code?: unknown }).code === "ENOSPC") this.#count("full", call.path);
      return () => done(error as Error);
    }
  }

  #put({ image, databases }: DiskCopy): void {
    assert(this.#machine.processes.length === 0, "a disk is replaced while its machine does nothing");
    this.#image = this.#inUse(image);
    this.#databases = new Map(databases);
  }

  #inUse(image: DiskImage): DiskImage {
    image.lie = (inode, layer) => this.media.lie(inode, layer);
    image.isWrittenAnyway = () => this.chance.oneIn(2);
    return image;
  }

  #fateOf({ operation, path }: { operation: Operation; path: string }): Fault | undefined {
    if (operation === "write-database" && this.#image.freeBytes === 0) {
      this.#count("full", path);
      return { code: "ENOSPC" };
    }
    const at = this.#traps.findIndex((trap) => trap.operation === operation && (trap.where?.(path) ?? true));
    const [trap] = at < 0 ? [] : this.#traps.splice(at, 1);
    const fault = trap ?? this.fault(operation, path);
    if (fault !== undefined) this.#count(`${operation}-${fault.code}`, path);
    return fault;
  }

  #openStore(folder: string, process: SimProcess, io: ProcessIo): Promise<LevelStore> {
    const effect = (): LevelStore => {
      const image = this.#databases.get(folder) ?? new DatabaseImage();
      if (image.holder?.isAlive) throw new QuireError("DATA_FOLDER_IN_USE", `the database in ${folder} is open in another process; stop that one first`);
      image.holder = process;
      this.#databases.set(folder, image);
      return new LevelStore(new SimDatabase({ image, path: folder, io, chance: this.chance }));
    };
    return new Promise((resolve, reject) => {
      const call: Call<LevelStore> = { operation: "open-database", path: folder, bytes: 0, effect };
      io.carryOut(call, (error, store) => (error === null && store !== undefined ? resolve(store) : reject(error)));
    });
  }

  #count(kind: string, what: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    this.#world.note(this.#machine.name, `disk: ${kind}, ${what}`);
  }
}
