/** An explanation for people: sentences, then two small tables. */
import { formatDuration } from "../../config/units.js";
import { table } from "../output.js";
import type { Explained, Explanation } from "./explain.js";
import type { Now } from "./now.js";

export function render(title: string, { quorum: { n, w, r }, flush, flushIntervalMs }: Explained, explanation: Explanation): string {
  const flushed = flush === "batch" ? "fsync before acknowledgement" : `fsync within ${formatDuration(flushIntervalMs)}`;
  const width = Math.max(...explanation.sentences.map(({ about }) => about.length));
  return [
    `${title}: N=${n} replicas, W=${w} to acknowledge, R=${r} to elect, ${flushed}`,
    "",
    ...explanation.sentences.map(({ about, text }) => `${about.padEnd(width)}  ${text}`),
    "",
    table(
      ["BROKERS DOWN", "WRITES IF THE LEADER IS UP", "WRITES IF IT IS DOWN"],
      explanation.brokersDown.map(({ down, leaderUp, leaderDown }) => [`${down} of ${n}`, leaderUp ?? "-", leaderDown ?? "-"]),
    ),
    "",
    table(
      ["DISKS LOST FOR GOOD", "ACKNOWLEDGED RECORDS", "ELECTIONS"],
      explanation.disksLost.map(({ lost, records, elections }) => [`${lost} of ${n}`, records, elections ? "go on" : "stop"]),
    ),
  ].join("\n");
}

/** What the topic can still take as it stands, a line for each different answer. */
export function renderNow(states: readonly Now[]): string {
  const groups = new Map<string, number[]>();
  for (const state of states) {
    const text = sentenceOf(state);
    groups.set(text, [...(groups.get(text) ?? []), state.partition]);
  }
  return [...groups].map(([text, partitions]) => `${name(partitions, states.length)} ${text}`).join("\n");
}

function sentenceOf({ state, down, mayStillFail }: Now): string {
  const missing = down.length === 0 ? "all replicas up" : `${down.length === 1 ? "broker" : "brokers"} ${down.join(", ")} down`;
  if (state === "stopped") return `(${missing}) cannot be written now.`;
  const more = down.length > 0 ? "more " : "";
  if (mayStillFail === 0) return `(${missing}) stops when one ${more}broker fails.`;
  return `(${missing}) goes on when ${mayStillFail === 1 ? `one ${more}broker fails` : `${mayStillFail} ${more}brokers fail`}.`;
}

function name(partitions: readonly number[], total: number): string {
  if (partitions.length === total) return total === 1 ? "Now its partition" : `Now each of its ${total} partitions`;
  const some = partitions.slice(0, 10).join(", ");
  return `Now partition${partitions.length === 1 ? "" : "s"} ${some}${partitions.length > 10 ? `, … (${partitions.length})` : ""}`;
}
