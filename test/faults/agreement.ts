/** Whether every replica of a topic, asked one after the other as the leader, tells the same, and what the ledger says. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Topic } from "../../src/client/index.js";
import type { Verdict } from "./ledger.js";
import type { Load } from "./load.js";
import { type ReadRecord, readRecord } from "./read-record.js";
import type { Tail } from "./tail.js";

/** A log that turns out to be damaged is filled again from the others meanwhile. */
const REPLICA_TIMEOUT_MS = 45_000;
const READ_TIMEOUT_MS = 15_000;
const RETRY_MS = 100;

interface Subject {
  readonly load: Load;
  readonly tail: Tail;
  readonly patience: number;
}

/** Reads every partition from each of its replicas while the load goes on, as far as it was committed when this began. */
export async function judgeReplicas(subject: Subject): Promise<Verdict> {
  const { load } = subject;
  const due = load.ledger.acknowledgedCount;
  const ends = await load.topic.offsets("latest");
  const partitions = Array.from({ length: load.partitions }, (_, partition) => partition);
  const verdicts = await Promise.all(partitions.map((partition) => judgePartition(subject, partition, ends.get(partition) ?? 0, due)));
  const sum = (of: (verdict: Verdict) => number): number => verdicts.reduce((total, verdict) => total + of(verdict), 0);
  return {
    acknowledged: sum(({ acknowledged }) => acknowledged),
    lost: sum(({ lost }) => lost),
    duplicates: sum(({ duplicates }) => duplicates),
    differences: verdicts.flatMap(({ differences }) => differences),
  };
}

async function judgePartition({ load, tail, patience }: Subject, partition: number, end: number, due: number): Promise<Verdict> {
  const state = (await load.topic.partitions())[partition];
  const replicas = state?.replicas ?? [];
  // The present leader last: leadership then comes back to where it was.
  const order = [...replicas.filter((nodeId) => nodeId !== state?.leader), ...replicas.filter((nodeId) => nodeId === state?.leader)];
  let verdict: Verdict | undefined;
  let first: { readonly nodeId: number; readonly digest: string } | undefined;
  const differences: string[] = [];
  for (const nodeId of order) {
    const records = await readFrom(load.topic, partition, nodeId, end);
    if (typeof records === "string") {
      differences.push(`partition ${partition}: broker ${nodeId} could not be read: ${records}`);
      continue;
    }
    if (verdict === undefined) {
      verdict = load.ledger.judge(partition, records, due);
      differences.push(...(await tail.judge(partition, records, patience)));
    }
    const digest = digestOf(records);
    first ??= { nodeId, digest };
    if (digest !== first.digest) differences.push(`partition ${partition}: brokers ${first.nodeId} and ${nodeId} differ below offset ${end}`);
  }
  if (verdict === undefined) return { acknowledged: 0, lost: 0, duplicates: 0, differences: [`partition ${partition} could not be read`, ...differences] };
  return { ...verdict, differences: [...verdict.differences, ...differences] };
}

/** What the broker tells while it leads, before and after; or why that could not be had in time. */
async function readFrom(topic: Topic<Uint8Array>, partition: number, nodeId: number, end: number): Promise<readonly ReadRecord[] | string> {
  const deadlineMs = performance.now() + REPLICA_TIMEOUT_MS;
  let last = "";
  while (performance.now() < deadlineMs) {
    try {
      const term = await termLedBy(topic, partition, nodeId);
      if (term !== undefined) {
        const records = await read(topic, partition, end);
        if ((await termLedBy(topic, partition, nodeId)) === term) return records;
      }
      last = "it did not lead long enough";
      await topic.transferLeader(partition, nodeId, { timeoutMs: 3_000 });
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
      await sleep(RETRY_MS);
    }
  }
  return last;
}

/** The term in which the broker leads now, if it does. */
async function termLedBy(topic: Topic<Uint8Array>, partition: number, nodeId: number): Promise<number | undefined> {
  const state = (await topic.partitions())[partition];
  return state?.leader === nodeId ? state.term : undefined;
}

async function read(topic: Topic<Uint8Array>, partition: number, end: number): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  if (end === 0) return records;
  const reader = topic.read({ from: "earliest", to: { offset: end }, partitions: [partition], signal: AbortSignal.timeout(READ_TIMEOUT_MS) });
  for await (const record of reader) records.push(readRecord(record));
  return records;
}

function digestOf(records: readonly ReadRecord[]): string {
  const hash = createHash("sha256");
  for (const { offset, number, key, bytes } of records) hash.update(`${offset} ${number} ${key} ${bytes.length} `).update(bytes);
  return hash.digest("hex");
}
