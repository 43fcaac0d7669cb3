/** Producers and consumers at work, each in a process of its own, and what can be said of any stretch of their time. */
import { machineMonotonicMs } from "../../base/system-ports.js";
import type { ProbeFigures } from "./probe-messages.js";
import type { Stage } from "./stage.js";
import { Latencies, type LatencySummary, per, type Rate, rateBetween } from "./statistics.js";
import type { Job, WorkerReport } from "./worker-messages.js";
import { WorkerProcess } from "./worker-process.js";

/** One process. What cannot be had is undefined. */
export interface ProcessFigures {
  readonly name: string;
  readonly cpuSeconds: number;
  /** Share of one core. */
  readonly cpuShare: number | undefined;
  readonly cpuSecondsPerGigabyte: number | undefined;
  readonly peakBytes: number;
  readonly residentBytes: number;
  readonly syncsPerSecond: number | undefined;
  readonly messagesPerSecond: number | undefined;
  readonly bytesPerMessage: number | undefined;
  readonly loopDelayMsP99: number;
}

/** A measured stretch of time. */
export interface Phase {
  readonly seconds: number;
  readonly acknowledged: Rate | undefined;
  readonly consumed: Rate | undefined;
  readonly acknowledgementMs: LatencySummary | undefined;
  readonly endToEndMs: LatencySummary | undefined;
  readonly processes: readonly ProcessFigures[];
}

/** From the first record to the last. */
export interface Totals {
  readonly acknowledged: number;
  readonly consumed: number;
  /** Acknowledged, and not among those consumed. */
  readonly missing: number;
  readonly failed: number;
  readonly firstFailure: string | undefined;
}

type Kind = Job["kind"];

export class Load {
  readonly #stage: Stage;
  readonly #workers: WorkerProcess[] = [];
  /** Of these, who has not begun. */
  readonly #waiting: WorkerProcess[] = [];
  #latencies = { produce: new Latencies(), consume: new Latencies() };
  #markedMs = 0;
  #longestPauseMs = 0;
  /** Some producers do not hear, or not of the quorum, that their records are written. */
  #isUnconfirmed = false;
  #marks = new Map<WorkerProcess, WorkerReport>();

  private constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** In the stretch taken last: the longest time in which a partition acknowledged nothing. Means something at a rate, with keys for each of them. */
  get longestPauseMs(): number {
    return this.#longestPauseMs;
  }

  /** Resolves when all workers are at work. @throws QuireError why one cannot */
  static async start(stage: Stage, jobs: readonly Job[]): Promise<Load> {
    const load = new Load(stage);
    stage.use(load);
    await load.add(jobs);
    load.begin();
    return load;
  }

  /** Resolves when workers for these jobs are ready to begin. @throws QuireError why one cannot */
  async add(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      const name = `${job.kind === "produce" ? "producer" : "consumer"} ${this.#of(job.kind).length + 1}`;
      const worker = new WorkerProcess(name, job, this.#stage.probes.nodeArguments, ({ latenciesUs }) => this.#latencies[job.kind].addAll(latenciesUs));
      this.#workers.push(worker);
      this.#isUnconfirmed ||= job.kind === "produce" && job.client.acks !== "quorum";
      this.#waiting.push(worker);
      this.#stage.nameProcess(worker.pid, name);
    }
    await Promise.all(this.#waiting.map((worker) => worker.ready()));
  }

  /** Those that are ready begin. */
  begin(): void {
    for (const worker of this.#waiting.splice(0)) worker.begin();
  }

  /** Whether anybody sends or reads. */
  get isAtWork(): boolean {
    return this.#workers.length > 0;
  }

  /** Records so far, as far as they were told; and latencies since the mark. */
  now(kind: Kind): { readonly records: number; readonly bytes: number; readonly latency: LatencySummary | undefined } {
    const reports = this.#of(kind).flatMap(({ last }) => last ?? []);
    const sum = (field: "records" | "bytes"): number => reports.reduce((total, report) => total + report[field], 0);
    return { records: sum("records"), bytes: sum("bytes"), latency: this.#latencies[kind].summary };
  }

  /** A measured stretch begins. */
  async mark(): Promise<void> {
    const [reports] = await Promise.all([this.#reports(), this.#stage.probes.mark()]);
    this.#marks = reports;
    this.#markedMs = machineMonotonicMs();
    this.#latencies = { produce: new Latencies(), consume: new Latencies() };
  }

  /** What is to be said since the mark; the next stretch needs a mark of its own. */
  async take(): Promise<Phase> {
    const [reports, probed] = await Promise.all([this.#reports(), this.#stage.probes.figures()]);
    const pairs = (kind: Kind) => this.#of(kind).flatMap((worker) => pairOf(this.#marks.get(worker), reports.get(worker)));
    const [produced, consumed] = [pairs("produce"), pairs("consume")];
    const seconds = (machineMonotonicMs() - this.#markedMs) / 1e3;
    this.#longestPauseMs = Math.max(0, ...[...reports.values()].map((report) => report.longestPauseMs));
    const bytes = Math.max(bytesOf(produced), bytesOf(consumed));
    return {
      seconds,
      acknowledged: produced.length > 0 ? rateBetween(produced) : undefined,
      consumed: consumed.length > 0 ? rateBetween(consumed) : undefined,
      acknowledgementMs: this.#latencies.produce.summary,
      endToEndMs: this.#latencies.consume.summary,
      processes: processFigures(this.#stage.processNames(), probed, { seconds, bytes }),
    };
  }

  /** Resolves when the consumers have read to these offsets. @throws QuireError when one failed */
  async read(ends: Readonly<Record<number, number>>): Promise<void> {
    await Promise.all(this.#of("consume").map((worker) => worker.stop(ends)));
  }

  /** Producers send no more; consumers read on to what is then the end. @throws QuireError when a worker failed */
  async end(): Promise<Totals> {
    const produced = await Promise.all(this.#of("produce").map((worker) => worker.stop()));
    const ends = this.#of("consume").length === 0 ? {} : await (this.#isUnconfirmed ? this.#stage.restingEnds() : this.#stage.ends());
    const consumed = await Promise.all(this.#of("consume").map((worker) => worker.stop(ends)));
    this.kill();
    const sum = (reports: readonly WorkerReport[], field: "records" | "failed"): number => reports.reduce((total, report) => total + report[field], 0);
    const acknowledged = sum(produced, "records");
    return {
      acknowledged,
      consumed: sum(consumed, "records"),
      missing: consumed.length === 0 ? 0 : Math.max(0, acknowledged - sum(consumed, "records")),
      failed: sum(produced, "failed"),
      firstFailure: produced.find(({ firstFailure }) => firstFailure !== undefined)?.firstFailure,
    };
  }

  kill(): void {
    for (const worker of this.#workers) worker.kill();
  }

  #of(kind: Kind): readonly WorkerProcess[] {
    return this.#workers.filter((worker) => worker.kind === kind);
  }

  async #reports(): Promise<Map<WorkerProcess, WorkerReport>> {
    return new Map(await Promise.all(this.#workers.map(async (worker) => [worker, await worker.report()] as const)));
  }
}

const bytesOf = (pairs: readonly (readonly [WorkerReport, WorkerReport])[]): number => pairs.reduce((total, [from, to]) => total + to.bytes - from.bytes, 0);

const pairOf = (from: WorkerReport | undefined, to: WorkerReport | undefined): [WorkerReport, WorkerReport][] =>
  from === undefined || to === undefined ? [] : [[from, to]];

/** By name; processes that did not answer are left out. @param during of the stretch, and the bytes of records moved in it */
export function processFigures(
  names: ReadonlyMap<number, string>,
  probed: ReadonlyMap<number, ProbeFigures>,
  { seconds, bytes }: { readonly seconds: number; readonly bytes: number },
): ProcessFigures[] {
  return [...names].flatMap(([pid, name]) => {
    const figures = probed.get(pid);
    if (figures === undefined) return [];
    const { cpuSeconds, syncs, messages, messageBytes, loopDelayMsP99, peakBytes, residentBytes } = figures;
    return [
      {
        name,
        cpuSeconds,
        cpuShare: per(cpuSeconds, seconds),
        cpuSecondsPerGigabyte: per(cpuSeconds, bytes / 1e9),
        peakBytes,
        residentBytes,
        syncsPerSecond: per(syncs, seconds),
        messagesPerSecond: per(messages, seconds),
        bytesPerMessage: per(messageBytes, messages),
        loopDelayMsP99,
      },
    ];
  });
}
