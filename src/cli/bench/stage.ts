/** Where a benchmark runs: a cluster, its own or one that is there, a topic, and probes in every process it starts. */
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { assert } from "../../base/assert.js";
import { QuireError } from "../../base/errors.js";
import { systemClock, systemRandom } from "../../base/system-ports.js";
import { type CreateTopicOptions, connect, type Quire, type Topic } from "../../client/index.js";
import { LocalCluster } from "../local/local-cluster.js";
import { untilWhole } from "../local/until-whole.js";
import { tell } from "../output.js";
import { brokersOf } from "../session.js";
import { type Conditions, conditions, MEMORY_FILE_SYSTEM } from "./conditions.js";
import { checkRoom, freeBytesOf } from "./free-room.js";
import type { Load } from "./load.js";
import { Probes } from "./probes.js";
import type { Place, Target } from "./workload.js";

const WHOLE_MS_MAX = 120_000;
/** Thousands of partitions take their time. */
const ADMIN_TIMEOUT_MS = 120_000;
const CLOSE_MS_MAX = 2_000;
/** A topic that does not grow for so long is at rest; looked at so often, and given up after so long. */
const RESTING_MS = 1_000;
const LOOK_MS = 100;
const RESTING_MS_MAX = 30_000;
/** As the cluster has it for a topic that does not say (`topics.replicas`). */
const DEFAULT_REPLICAS = 3;

export class Stage implements AsyncDisposable {
  readonly place: Place;
  readonly signal: AbortSignal;
  readonly probes: Probes;
  readonly conditions: Conditions;
  /** For questions and topics; records go through workers. */
  readonly quire: Quire;
  readonly topic: Topic<Uint8Array>;
  /** Brokers of its own that ended by themselves, and how. */
  readonly deaths: readonly string[];
  readonly #cluster: LocalCluster | undefined;
  readonly #folder: string | undefined;
  readonly #names = new Map<number, string>();
  #load: Load | undefined;
  #isTopicOurs = false;

  private constructor(parts: {
    place: Place;
    signal: AbortSignal;
    probes: Probes;
    quire: Quire;
    cluster: LocalCluster | undefined;
    folder: string | undefined;
    deaths: readonly string[];
  }) {
    this.place = parts.place;
    this.signal = parts.signal;
    this.probes = parts.probes;
    this.quire = parts.quire;
    this.#cluster = parts.cluster;
    this.#folder = parts.folder;
    this.deaths = parts.deaths;
    this.conditions = conditions(parts.folder);
    this.topic = parts.quire.topic(`bench-${systemRandom.uuid().slice(0, 8)}`);
  }

  /** @throws QuireError */
  static async open(place: Place, signal: AbortSignal): Promise<Stage> {
    if (place.profile !== undefined) makeProfileFolder(place.profile);
    const probes = await Probes.listen();
    const deaths: string[] = [];
    const folder = place.cluster > 0 ? newFolder(place.data) : undefined;
    let cluster: LocalCluster | undefined;
    try {
      if (folder !== undefined) {
        const onDeath = ({ nodeId }: { readonly nodeId: number }, how: string): number => deaths.push(`Broker ${nodeId} ended with ${how}`);
        cluster = await LocalCluster.start({ folder, brokers: place.cluster, nodeArguments: probes.nodeArguments, onDeath });
        await untilWhole(cluster.addresses, place.cluster, WHOLE_MS_MAX, signal);
      }
      const quire = await connect({ brokers: cluster?.addresses ?? brokersOf(place), adminTimeoutMs: ADMIN_TIMEOUT_MS, signal });
      const stage = new Stage({ place, signal, probes, quire, cluster, folder, deaths });
      if (stage.conditions.fileSystem === MEMORY_FILE_SYSTEM) {
        tell("The brokers' folders are in memory (tmpfs): a sync costs nothing there. Give --data a folder on a disk.");
      }
      return stage;
    } catch (thrown) {
      await end(cluster, folder);
      probes.close();
      throw thrown;
    }
  }

  /** The cluster that a benchmark started. */
  get cluster(): LocalCluster {
    assert(this.#cluster !== undefined, "a benchmark that ends brokers has some of its own");
    return this.#cluster;
  }

  get ownsCluster(): boolean {
    return this.#cluster !== undefined;
  }

  /** Of the disk of its own brokers. */
  get freeBytes(): number | undefined {
    return this.#folder === undefined ? undefined : freeBytesOf(this.#folder);
  }

  /** @throws QuireError DISK_FULL when its own brokers have no room for so many bytes of records */
  checkRoom(bytes: number, replicas = DEFAULT_REPLICAS): void {
    if (this.#folder === undefined) return;
    checkRoom({ bytes, copies: Math.min(replicas, this.place.cluster), freeBytes: freeBytesOf(this.#folder), folder: dirname(this.#folder) });
  }

  /** Of one of its own brokers. */
  dataFolder(nodeId: number): string {
    return join(this.#folder ?? "", `broker-${nodeId}`);
  }

  get target(): Target {
    return { brokers: this.#cluster?.addresses ?? brokersOf(this.place), topic: this.topic.name };
  }

  /** @throws QuireError */
  async createTopic(options: CreateTopicOptions): Promise<void> {
    this.#isTopicOurs = true;
    await this.topic.create({ ...options, signal: this.signal });
    // In time for the first record to find a leader.
    if (this.#cluster !== undefined) await this.untilWhole();
  }

  /** Until all own brokers are connected and every partition has all its replicas. */
  async untilWhole(): Promise<void> {
    await untilWhole(this.cluster.addresses, this.place.cluster, WHOLE_MS_MAX, this.signal);
  }

  /** Just past the last record of each partition. */
  async ends(): Promise<Record<number, number>> {
    return Object.fromEntries(await this.topic.offsets("latest", { signal: this.signal }));
  }

  /** The same once nothing more is written, where records may be on their way still though nobody waits for them. */
  async restingEnds(): Promise<Record<number, number>> {
    let ends = await this.ends();
    for (let restMs = 0, spentMs = 0; restMs < RESTING_MS && spentMs < RESTING_MS_MAX; spentMs += LOOK_MS) {
      await this.wait(LOOK_MS);
      const now = await this.ends();
      restMs = Object.entries(now).every(([partition, end]) => ends[Number(partition)] === end) ? restMs + LOOK_MS : 0;
      ends = now;
    }
    return ends;
  }

  /** @throws the signal's reason */
  async wait(ms: number): Promise<void> {
    this.signal.throwIfAborted();
    await new Promise<void>((done) => {
      const finish = (): void => {
        timer.cancel();
        this.signal.removeEventListener("abort", finish);
        done();
      };
      const timer = systemClock.after(ms, finish);
      this.signal.addEventListener("abort", finish);
    });
    this.signal.throwIfAborted();
  }

  nameProcess(pid: number, name: string): void {
    this.#names.set(pid, name);
  }

  /** Brokers of its own, as they run now, and workers. */
  processNames(): ReadonlyMap<number, string> {
    const brokers = (this.#cluster?.brokers ?? []).filter((broker) => broker.isRunning).map((broker) => [broker.pid, `broker ${broker.nodeId}`] as const);
    return new Map([...brokers, ...this.#names]);
  }

  /** The load that is to end with the stage. */
  use(load: Load): void {
    this.#load?.kill();
    this.#load = load;
    this.#names.clear();
    if (this.signal.aborted) load.kill();
    this.signal.addEventListener("abort", () => load.kill(), { once: true });
  }

  async startProfiles(): Promise<void> {
    if (this.place.profile !== undefined) await this.probes.startProfiles();
  }

  /** @param stretch of those that are measured: each has files of its own */
  async saveProfiles(stretch: string): Promise<void> {
    const { profile } = this.place;
    if (profile === undefined) return;
    const names = this.processNames();
    await this.probes.saveProfiles((pid) => resolve(profile, `${`${names.get(pid) ?? `process ${pid}`} ${stretch}`.replaceAll(" ", "-")}.cpuprofile`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#load?.kill();
    if (this.#cluster === undefined && this.#isTopicOurs) {
      await this.topic.delete().catch((thrown: unknown) => {
        if (!(thrown instanceof QuireError) || thrown.reason !== "TOPIC_NOT_FOUND")
          tell(`The topic ${this.topic.name} could not be deleted: ${String(thrown)}`);
      });
    }
    await this.quire.close({ timeoutMs: CLOSE_MS_MAX });
    await end(this.#cluster, this.#folder);
    this.probes.close();
  }
}

/** With the machine's name: a folder may be shared with others, whose processes are not seen here. */
const FOLDER = `quire-bench-${hostname()}-`;

/** Folders of benchmarks that were killed, or whose terminal was closed: their name says whose they were. */
function removeLeftBehind(base: string): void {
  for (const name of readdirSync(base)) {
    const pid = name.startsWith(FOLDER) ? Number.parseInt(name.slice(FOLDER.length), 10) : Number.NaN;
    if (pid > 0 && !isRunning(pid)) rmSync(join(base, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** @throws QuireError INVALID_FIELD */
function makeProfileFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw new QuireError("INVALID_FIELD", `--profile ${folder} is no folder that can be written to: ${String(cause)}`, { cause });
  }
}

/** @throws QuireError INVALID_FIELD */
function newFolder(parent: string | undefined): string {
  const base = parent === undefined ? tmpdir() : resolve(parent);
  try {
    mkdirSync(base, { recursive: true });
    removeLeftBehind(base);
    return mkdtempSync(join(base, `${FOLDER}${process.pid}-`));
  } catch (cause) {
    throw new QuireError("INVALID_FIELD", `cannot make a folder in ${base}: ${String(cause)}`, { cause });
  }
}

/** Nothing of it is wanted any more, so nothing is ended politely. */
async function end(cluster: LocalCluster | undefined, folder: string | undefined): Promise<void> {
  for (const broker of cluster?.brokers ?? []) broker.signal("SIGKILL");
  await Promise.all((cluster?.brokers ?? []).map((broker) => broker.gone()));
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}
