const PAGE_BYTES = 64 * 1024;
const FIRST_BYTES = 512;

/**
 * Bytes from position 0 on, without end, zero where nothing was written. Kept in pages, so that growing copies nothing but the first page,
 * which begins small: most files are.
 * A copy shares the pages until one of the two writes to them: a power cut copies all files of a disk, and hardly a page of them changes.
 */
export class PagedBytes {
  #pages: (Buffer | undefined)[] = [];
  /** Which pages nobody else has. */
  #isOwn: boolean[] = [];

  read(into: Buffer, position: number): void {
    let done = 0;
    while (done < into.length) {
      const at = position + done;
      const within = at % PAGE_BYTES;
      const bytes = Math.min(into.length - done, PAGE_BYTES - within);
      const page = this.#pages[Math.floor(at / PAGE_BYTES)];
      const copied = page === undefined || within >= page.length ? 0 : page.copy(into, done, within, Math.min(page.length, within + bytes));
      if (copied < bytes) into.fill(0, done + copied, done + bytes);
      done += bytes;
    }
  }

  slice(from: number, to: number): Buffer {
    const slice = Buffer.allocUnsafe(to - from);
    this.read(slice, from);
    return slice;
  }

  write(bytes: Buffer, position: number): void {
    let done = 0;
    while (done < bytes.length) {
      const at = position + done;
      const within = at % PAGE_BYTES;
      const end = Math.min(PAGE_BYTES, within + bytes.length - done);
      done += bytes.copy(this.#page(Math.floor(at / PAGE_BYTES), end), within, done, done + end - within);
    }
  }

  /** From there on all is zero. */
  cut(position: number): void {
    const first = Math.floor(position / PAGE_BYTES);
    const length = this.#pages[first]?.length ?? 0;
    const within = position % PAGE_BYTES;
    if (within < length) this.#page(first, length).fill(0, within);
    this.#pages.length = Math.min(this.#pages.length, first + 1);
  }

  clone(): PagedBytes {
    const copy = new PagedBytes();
    copy.#pages = [...this.#pages];
    this.#isOwn = [];
    return copy;
  }

  /** The page, to be written, with room up to `end`. */
  #page(number: number, end: number): Buffer {
    const page = this.#pages[number];
    const isLargeEnough = page !== undefined && end <= page.length;
    if (isLargeEnough && this.#isOwn[number] === true) return page;
    const bytes = isLargeEnough ? page.length : number > 0 ? PAGE_BYTES : Math.min(PAGE_BYTES, Math.max(FIRST_BYTES, 2 * end));
    const own = Buffer.alloc(bytes);
    page?.copy(own);
    this.#pages[number] = own;
    this.#isOwn[number] = true;
    return own;
  }
}
