/** Says in words which failures stop writes, stop elections or lose data under a topic's settings. */
import { checkQuorum, type QuorumSettings } from "../../base/quorum.js";
import { formatDuration } from "../../config/units.js";
import { type Flush, type Tolerance, tolerance } from "./tolerance.js";

export interface Explained {
  readonly quorum: QuorumSettings;
  readonly flush: Flush;
  /** Meaningless when `flush` is `batch`. */
  readonly flushIntervalMs: number;
}

export interface Explanation {
  readonly tolerance: Tolerance;
  readonly sentences: readonly { readonly about: string; readonly text: string }[];
  /** What happens with so many brokers down, from 0 to N. */
  readonly brokersDown: readonly DownRow[];
  /** What happens with so many disks lost for good, from 1 to N. */
  readonly disksLost: readonly { readonly lost: number; readonly records: "safe" | "can be lost"; readonly elections: boolean }[];
}

interface DownRow {
  readonly down: number;
  /** Writes while the leader is not among them; undefined when all are down. */
  readonly leaderUp: "go on" | "stop" | undefined;
  /** Writes when the leader is among them; undefined when none is down. */
  readonly leaderDown: "go on after an election" | "stop" | undefined;
}

/** @throws QuireError INVALID_QUORUM for settings that no topic can have. */
export function explain(subject: Explained): Explanation {
  const { quorum, flush } = subject;
  checkQuorum(quorum);
  const survives = tolerance(quorum, flush);
  const counts = Array.from({ length: quorum.n + 1 }, (_, count) => count);
  return {
    tolerance: survives,
    sentences: [
      { about: "Acknowledged", text: acknowledged(subject) },
      { about: "Writes stop", text: `when ${atLeast(survives.downForWrites + 1, quorum.n, "broker")} down.` },
      { about: "Elections stop", text: elections(subject, survives) },
      { about: "Data can be lost", text: losses(subject, survives) },
      { about: "Never lost", text: crashes(subject) },
      {
        about: "Weaker produces",
        text: "acks=leader can lose records with the leader's disk, or when it fails before they are replicated; acks=none with any failure.",
      },
    ],
    brokersDown: counts.map((down) => ({
      down,
      leaderUp: down === quorum.n ? undefined : down <= survives.downForWrites ? "go on" : "stop",
      leaderDown: down === 0 ? undefined : down <= survives.downForElections ? "go on after an election" : "stop",
    })),
    disksLost: counts.slice(1).map((lost) => ({
      lost,
      records: lost <= survives.disksLost ? "safe" : "can be lost",
      elections: lost <= survives.downForElections,
    })),
  };
}

/** `any of the 3 brokers is`, `2 or more of the 3 brokers are`, `all 3 brokers are`. */
function atLeast(count: number, n: number, thing: string): string {
  if (n === 1) return `the one ${thing} is`;
  if (count === n) return `all ${n} ${thing}s are`;
  return count === 1 ? `any of the ${n} ${thing}s is` : `${count} or more of the ${n} ${thing}s are`;
}

function acknowledged({ quorum: { n, w }, flush, flushIntervalMs }: Explained): string {
  const where = w === n ? (n === 1 ? "the one replica" : `all ${n} replicas`) : `${w} of ${n} replicas`;
  if (flush === "batch") return `a record is acknowledged once it is on the disks of ${where}.`;
  return `a record is acknowledged once ${where} ${w === 1 ? "has" : "have"} written it; it is on disk at most ${formatDuration(flushIntervalMs)} later.`;
}

function elections({ quorum: { n, w, r } }: Explained, survives: Tolerance): string {
  const when = `when ${atLeast(survives.downForElections + 1, n, "broker")} down`;
  if (survives.downForElections < survives.downForWrites) {
    return `${when} (R=${r} must be up): a leader that lives goes on, but one that dies is not replaced until ${r} are up.`;
  }
  return w > r
    ? `${when}: W=${w} must be up, so that the new leader can write.`
    : `${when}: until ${r} are up again there is no leader, and no reads or writes.`;
}

function losses({ quorum: { n }, flush, flushIntervalMs }: Explained, survives: Tolerance): string {
  const disks = `when ${atLeast(survives.disksLost + 1, n, "disk")} lost for good`;
  // Fewer than W disks remain to be missing from every election: W + R > N.
  const halts = "Then no leader is elected without what they held: the partition stops rather than go on with a gap.";
  if (flush === "batch") return `${survives.disksLost === 0 ? "" : "only "}${disks}. ${halts}`;
  const machines = atLeast(survives.powerLost + 1, n, "machine").replace(/ (is|are)$/, (verb) => (verb === " is" ? " loses" : " lose"));
  return `${disks}; and up to the last ${formatDuration(flushIntervalMs)} of records when ${machines} power${n === 1 || survives.powerLost === 0 ? "" : " at once"} (flush=interval).`;
}

const crashes = ({ flush }: Explained): string =>
  flush === "batch"
    ? "by crashes, restarts, or power loss, of all brokers at once too."
    : "by crashes and restarts of broker processes, of all at once too; losing power is another matter, above.";
