/** Sends lines as records, no faster than they are acknowledged. A line that fails is told and counted; the others go on, unless they cannot fare better. */
import type { Readable } from "node:stream";
import { QuireError } from "../base/errors.js";
import { type Keyed, type KeyRule, splitKey } from "./keyed.js";
import { lines } from "./lines.js";

/** Lines sent and not yet acknowledged; the client has its own limit in bytes. */
const UNDER_WAY_MAX = 5_000;
/** Failures that are told one by one. */
const FAILURES_TOLD_MAX = 10;

export interface LineSenderOptions {
  readonly rule: KeyRule;
  readonly send: (record: Keyed) => Promise<unknown>;
  /** What went wrong, for people. */
  readonly tell: (text: string) => void;
  readonly onProgress: (sender: LineSender) => void;
}

export class LineSender {
  acknowledged = 0;
  failed = 0;
  /** Of acknowledged lines, their ends included. */
  bytes = 0;
  /** Why no line can be sent any more: the topic, or the partition asked for, is not there, or the lines cannot be read. */
  hopeless: QuireError | undefined;
  #lineNumber = 0;
  #underWay = 0;
  #wake: () => void = () => {};
  #giveUp: () => void = () => {};
  readonly #options: LineSenderOptions;

  constructor(options: LineSenderOptions) {
    this.#options = options;
  }

  /** Resolves when every line was acknowledged or has failed; after an interruption, or when it is hopeless, every line sent until then. */
  async sendAll(input: Readable, interrupted: AbortSignal): Promise<void> {
    const stopReading = (): void => {
      input.destroy();
    };
    this.#giveUp = stopReading;
    interrupted.addEventListener("abort", stopReading, { once: true });
    try {
      for await (const group of lines(input)) {
        for (const line of group) {
          if (this.hopeless !== undefined) return;
          this.#sendLine(line);
          await this.#below(UNDER_WAY_MAX);
        }
        this.#options.onProgress(this);
      }
    } catch (thrown) {
      if (!interrupted.aborted && this.hopeless === undefined) throw thrown;
    } finally {
      interrupted.removeEventListener("abort", stopReading);
      await this.#below(1);
    }
  }

  #sendLine(line: Buffer): void {
    this.#lineNumber += 1;
    const number = this.#lineNumber;
    this.#underWay += 1;
    this.#sendRecord(line).then(
      () => {
        this.acknowledged += 1;
        this.bytes += line.length + 1;
        this.#settled();
      },
      (thrown: unknown) => {
        this.#told(number, thrown);
        this.#settled();
      },
    );
  }

  /** Splits and sends at once, so that lines stay in order; what it throws is the line's failure. */
  async #sendRecord(line: Buffer): Promise<void> {
    await this.#options.send(splitKey(line, this.#options.rule));
  }

  #settled(): void {
    this.#underWay -= 1;
    this.#wake();
  }

  #told(line: number, thrown: unknown): void {
    this.failed += 1;
    if (isHopeless(thrown)) {
      this.hopeless ??= thrown;
      this.#giveUp();
      return;
    }
    if (this.failed > FAILURES_TOLD_MAX) return;
    this.#options.tell(`quire: line ${line}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    if (this.failed === FAILURES_TOLD_MAX) this.#options.tell("quire: further failures are only counted");
  }

  /** Resolves when fewer than `count` are under way. */
  async #below(count: number): Promise<void> {
    while (this.#underWay >= count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#options.onProgress(this);
    }
  }
}

const isHopeless = (thrown: unknown): thrown is QuireError =>
  thrown instanceof QuireError && (thrown.reason === "TOPIC_NOT_FOUND" || thrown.reason === "PARTITION_NOT_FOUND");
