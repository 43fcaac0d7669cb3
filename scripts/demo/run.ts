/**
 * The demonstration: a fresh cluster of three, every line of a file sent with a key, the leader of a partition killed a third of the way,
 * another broker killed after the first has returned, and a reader that reads meanwhile.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { LocalCluster } from "../../src/cli/local/local-cluster.js";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import { connect, type Reader, type ReceivedRecord, type Topic } from "../../src/client/index.js";
import { Ledger, type ReadLine, type Verdict } from "./ledger.js";
import { type Acknowledgement, pauseAfter } from "./pauses.js";

const TOPIC = "lines";
const PARTITIONS = 6;
const KEYS = 50;
/** A killed broker is started again this long after. */
const DOWN_MS = 1_000;
const FORM_TIMEOUT_MS = 30_000;
/** How long the whole cluster may take after a broker's return. */
const RETURN_TIMEOUT_MS = 60_000;
/** In the rate that lines are sent at, pieces of this length. */
const PACE_MS = 10;

export interface DemoOptions {
  readonly lines: readonly Buffer[];
  /** Emptied by the caller, before and after. */
  readonly folder: string;
  readonly portBase?: number;
  /** Sending is spread over about this long, so that the kills fall into it. */
  readonly sendForMs: number;
  readonly say: (text: string) => void;
}

export interface Kill {
  readonly nodeId: number;
  /** The partitions that it led. */
  readonly partitions: readonly number[];
  readonly atLine: number;
  /** The longest pause in acknowledgements of one of these partitions; undefined when nothing of them was sent afterwards. */
  readonly pauseMs: number | undefined;
}

export interface DemoResult extends Verdict {
  readonly kills: readonly Kill[];
  /** Lines whose send failed. */
  readonly refused: number;
  /** Whether the reader that read meanwhile saw the same records as the one that read at the end. */
  readonly readersAgree: boolean;
  readonly elapsedMs: number;
}

export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const startMs = performance.now();
  options.say("Starting three brokers …");
  const cluster = await LocalCluster.start({ folder: options.folder, brokers: 3, ...(options.portBase === undefined ? {} : { portBase: options.portBase }) });
  try {
    await untilWhole(cluster.addresses, 3, FORM_TIMEOUT_MS);
    await using quire = await connect({ brokers: cluster.addresses, deliveryTimeoutMs: 60_000 });
    const result = await new Demo(options, cluster, quire.topic<Uint8Array>(TOPIC)).run();
    return { ...result, elapsedMs: performance.now() - startMs };
  } finally {
    await cluster.stop();
  }
}

class Demo {
  private readonly ledger = new Ledger();
  private readonly acknowledgements: Acknowledgement[] = [];
  private readonly kills: (Omit<Kill, "pauseMs"> & { readonly killedMs: number; untilMs: number })[] = [];
  private refused = 0;
  private readonly options: DemoOptions;
  private readonly cluster: LocalCluster;
  private readonly topic: Topic<Uint8Array>;

  constructor(options: DemoOptions, cluster: LocalCluster, topic: Topic<Uint8Array>) {
    this.options = options;
    this.cluster = cluster;
    this.topic = topic;
  }

  async run(): Promise<Omit<DemoResult, "elapsedMs">> {
    const { lines, say } = this.options;
    await this.topic.create({ partitions: PARTITIONS, replicas: 3 });
    const meanwhile = new Meanwhile(this.topic);
    say(`Sending ${lines.length.toLocaleString("en")} lines to ${PARTITIONS} partitions …`);
    const third = Math.floor(lines.length / 3);
    const first = this.sendLines(0, third);
    await first.sent;
    const killed = await this.killLeader(0, third);
    const second = this.sendLines(third, 2 * third);
    // Nothing is sent while the second kill waits for the return of the first: that is no pause in acknowledgements.
    await Promise.all([this.pauseEnds(second.settled), this.bringBack(killed)]);
    say("It has returned, and every partition is whole again.");
    const other = await this.killLeader(await this.partitionLedByAnother(killed), 2 * third);
    await this.pauseEnds(this.sendLines(2 * third, lines.length).settled);
    await first.settled;
    await this.bringBack(other);
    return this.compare(meanwhile);
  }

  /** Sends at an even rate; `sent` resolves with the last one sent, `settled` with its outcome and all before. */
  private sendLines(from: number, to: number): { sent: Promise<void>; settled: Promise<void> } {
    const outcomes: Promise<void>[] = [];
    const sent = this.paced(from, to, (number) => outcomes.push(this.sendLine(number)));
    return { sent, settled: sent.then(() => Promise.all(outcomes)).then(() => {}) };
  }

  private async paced(from: number, to: number, send: (number: number) => void): Promise<void> {
    const perMs = this.options.lines.length / this.options.sendForMs;
    const startMs = performance.now();
    for (let number = from; number < to; ) {
      const due = Math.min(to, from + Math.ceil((performance.now() - startMs) * perMs) + 1);
      while (number < due) {
        send(number);
        number += 1;
      }
      await sleep(PACE_MS);
    }
  }

  private async sendLine(number: number): Promise<void> {
    const bytes = this.options.lines[number] ?? Buffer.alloc(0);
    const key = `key-${number % KEYS}`;
    this.ledger.recordSent({ number, key, bytes });
    try {
      const { partition, offset } = await this.topic.send(bytes, { key, headers: { line: String(number) } });
      this.ledger.recordAcknowledged(number, { partition, offset });
      this.acknowledgements.push({ atMs: performance.now(), partition });
    } catch (thrown) {
      this.refused += 1;
      if (this.refused === 1) this.options.say(`line ${number} was refused: ${String(thrown)}`);
    }
  }

  private async killLeader(partition: number, atLine: number): Promise<number> {
    const leaders = await this.leaders();
    const nodeId = leaders[partition] ?? 0;
    const partitions = leaders.flatMap((leader, led) => (leader === nodeId ? [led] : []));
    const broker = this.cluster.broker(nodeId);
    broker.signal("SIGKILL");
    this.kills.push({ nodeId, partitions, atLine, killedMs: performance.now(), untilMs: 0 });
    this.options.say(`Line ${atLine.toLocaleString("en")}: killed broker ${nodeId} (SIGKILL), leader of partition ${partitions.join(", ")}`);
    await broker.gone();
    return nodeId;
  }

  private async bringBack(nodeId: number): Promise<void> {
    await sleep(DOWN_MS);
    await this.cluster.broker(nodeId).start();
    await untilWhole(this.cluster.addresses, 3, RETURN_TIMEOUT_MS);
  }

  private async pauseEnds(settled: Promise<void>): Promise<void> {
    await settled;
    const kill = this.kills.at(-1);
    if (kill !== undefined) kill.untilMs = performance.now();
  }

  private async partitionLedByAnother(nodeId: number): Promise<number> {
    const leaders = await this.leaders();
    return leaders.findIndex((leader) => leader !== nodeId);
  }

  private async leaders(): Promise<number[]> {
    const partitions = await this.topic.partitions();
    return partitions.map(({ leader }) => leader ?? 0);
  }

  /** Compares what was acknowledged with what a reader finds now, and that with what the other reader saw all along. */
  private async compare(meanwhile: Meanwhile): Promise<Omit<DemoResult, "elapsedMs">> {
    this.options.say("Reading everything again …");
    const read: ReadLine[] = [];
    for await (const record of this.topic.read({ from: "earliest", to: "latest" })) read.push(readLine(record));
    const seen = await meanwhile.until(read.length);
    return {
      ...this.ledger.judge(read),
      kills: this.kills.map(({ killedMs, untilMs, ...kill }) => ({
        ...kill,
        pauseMs: pauseAfter({ killedMs, untilMs, partitions: new Set(kill.partitions) }, this.acknowledgements),
      })),
      refused: this.refused,
      readersAgree: sameRecords(read, seen),
    };
  }
}

/** Reads from before the first record on, through everything that happens. */
class Meanwhile {
  private readonly seen: ReadLine[] = [];
  private readonly reader: Reader<Uint8Array>;
  private readonly reading: Promise<void>;
  private failure: unknown;

  constructor(topic: Topic<Uint8Array>) {
    this.reader = topic.read({ from: "earliest" });
    this.reading = this.read().catch((thrown: unknown) => {
      this.failure = thrown;
    });
  }

  /** What was seen, once it is `count` records, or no more come for a while. */
  async until(count: number): Promise<readonly ReadLine[]> {
    const deadlineMs = performance.now() + RETURN_TIMEOUT_MS;
    while (this.seen.length < count && this.failure === undefined && performance.now() < deadlineMs) await sleep(PACE_MS);
    await this.reader.close();
    await this.reading;
    if (this.failure !== undefined) throw this.failure;
    return this.seen;
  }

  private async read(): Promise<void> {
    for await (const record of this.reader) this.seen.push(readLine(record));
  }
}

function readLine(record: ReceivedRecord<Uint8Array>): ReadLine {
  const line = record.headers.find((header) => header.key === "line");
  return {
    partition: record.partition,
    offset: record.offset,
    number: line === undefined ? -1 : Number(line.value.toString()),
    key: record.key ?? "",
    bytes: record.valueBytes ?? Buffer.alloc(0),
  };
}

/** Order counts within a partition; between partitions there is none. */
function sameRecords(one: readonly ReadLine[], other: readonly ReadLine[]): boolean {
  const inOrder = (read: readonly ReadLine[]): ReadLine[] => read.toSorted((a, b) => a.partition - b.partition);
  const mine = inOrder(one);
  const theirs = inOrder(other);
  return (
    mine.length === theirs.length &&
    mine.every(({ partition, offset, number, bytes }, at) => {
      const that = theirs[at];
      return that !== undefined && that.partition === partition && that.offset === offset && that.number === number && that.bytes.equals(bytes);
    })
  );
}
