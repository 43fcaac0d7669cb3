import type { DiskImage } from "../../support/disk-image.js";
import { type Call, type Done, ImageFiles } from "../../support/image-files.js";
import type { SimProcess } from "../kernel/sim-process.js";
import type { ProcessIo } from "./process-io.js";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** The file port of one simulated process. */
export class SimFiles extends ImageFiles {
  protected readonly image: DiskImage;
  readonly #process: SimProcess;
  readonly #io: ProcessIo;

  constructor(image: DiskImage, process: SimProcess, io: ProcessIo) {
    super();
    this.image = image;
    this.#process = process;
    this.#io = io;
  }

  /** Also what the kernel says of itself. */
  override async readAll(path: string): Promise<Buffer | undefined> {
    return path === BOOT_ID ? Buffer.from(`${this.#process.machine.bootId}\n`) : super.readAll(path);
  }

  protected carryOut<T>(call: Call<T>, done: Done<T>): void {
    this.#io.carryOut(call, done);
  }
}
