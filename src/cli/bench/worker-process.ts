/** A worker as its conductor sees it. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isReason, QuireError } from "../../base/errors.js";
import type { FromWorker, Job, ToWorker, WorkerReport } from "./worker-messages.js";

const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));
/** As brokers have it, the floor too, and as `src/client/README.md` advises: room for messages before all memory is looked through. */
const MEMORY_ARGUMENTS = ["--initial-old-space-size=96"];

export class WorkerProcess {
  readonly name: string;
  readonly kind: Job["kind"];
  readonly #child: ChildProcess;
  readonly #onReport: (report: WorkerReport) => void;
  readonly #ended: Promise<never>;
  readonly #ready: Promise<void>;
  readonly #done: Promise<WorkerReport>;
  #isReady: () => void = () => {};
  #isDone: (report: WorkerReport) => void = () => {};
  #asked: ((report: WorkerReport) => void)[] = [];
  #last: WorkerReport | undefined;

  /** @param onReport told of each, once */
  constructor(name: string, job: Job, nodeArguments: readonly string[], onReport: (report: WorkerReport) => void) {
    this.name = name;
    this.kind = job.kind;
    this.#onReport = onReport;
    this.#child = fork(WORKER, [], {
      execArgv: [...MEMORY_ARGUMENTS, ...nodeArguments],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#ended = new Promise((_, reject) => {
      this.#child.once("error", reject);
      this.#child.once("exit", (code, signal) => reject(new QuireError("INTERNAL", `${name} ended with ${signal ?? `exit code ${code}`}`)));
      this.#child.on("message", (message: FromWorker) => {
        if (message.say === "failed") reject(new QuireError(isReason(message.reason) ? message.reason : "INTERNAL", `${name}: ${message.message}`));
        else this.#heard(message);
      });
    });
    this.#ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    this.#done = new Promise((resolve) => {
      this.#isDone = resolve;
    });
    // Whoever waits for anything of this worker hears of its end.
    this.#ended.catch(() => {});
    this.#tell({ do: "job", job });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it said last. */
  get last(): WorkerReport | undefined {
    return this.#last;
  }

  /** @throws QuireError why it cannot */
  ready(): Promise<void> {
    return Promise.race([this.#ready, this.#ended]);
  }

  begin(): void {
    this.#tell({ do: "begin" });
  }

  report(): Promise<WorkerReport> {
    const answer = new Promise<WorkerReport>((resolve) => this.#asked.push(resolve));
    this.#tell({ do: "report" });
    return Promise.race([answer, this.#done, this.#ended]);
  }

  /** Resolves when everything under way has ended. @throws QuireError when it failed */
  stop(ends: Readonly<Record<number, number>> = {}): Promise<WorkerReport> {
    this.#tell({ do: "stop", ends });
    return this.done();
  }

  done(): Promise<WorkerReport> {
    return Promise.race([this.#done, this.#ended]);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #tell(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message);
  }

  #heard(message: Exclude<FromWorker, { say: "failed" }>): void {
    if (message.say === "ready") return this.#isReady();
    this.#last = message.report;
    this.#onReport(message.report);
    if (message.say === "done") this.#isDone(message.report);
    else if (message.asked) this.#asked.shift()?.(message.report);
  }
}
