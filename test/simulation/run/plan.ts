/** What one run is like: the size of the cluster, its topics and load, and its weather. All of it drawn from the seed. */
import { KIB, MIB } from "../../../src/base/limits.js";
import { quorumProblem } from "../../../src/base/quorum.js";
import type { Chance } from "../kernel/chance.js";
import { type GroupPlan, groupsOf } from "./group-plan.js";

/** `within`: faults stay within the promise, so all must be safe, and live when they end. `beyond`: more is destroyed than the promise covers; then it may halt, and never lie. */
export type Mode = "within" | "beyond";

export interface TopicPlan {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly w: number;
  readonly r: number;
  /** Segments end soon, and old ones go. */
  readonly retention: { readonly segmentAgeMs: number; readonly retentionMs: number } | undefined;
}

export interface ProducerPlan {
  readonly topic: string;
  readonly acks: "quorum" | "leader";
  readonly retryUnknown: boolean;
  /** Each record is written once; otherwise `retryUnknown` decides. */
  readonly idempotence: boolean;
  /** Under one name with all others that are: whoever begins fences the one before. */
  readonly isNamed: boolean;
  /** Mean pause between two sends, or two calls of several. */
  readonly pauseMs: number;
  readonly recordsPerCall: number;
  /** A batch is closed at so many: below what a call sends, several are under way at a time. */
  readonly batchBytes: number;
  readonly bytesMax: number;
}

export interface ReaderPlan {
  readonly topic: string;
  /** Mean time until it begins again somewhere else. */
  readonly sessionMs: number;
}

/** Kinds of faults and of operators' doings. */
const HARMLESS = [
  "kill",
  "die in a call",
  "kill all",
  "power",
  "power of all",
  "pause",
  "pause and kill",
  "polite restart",
  "partition",
  "one way",
  "ring",
  "isolate",
  "responses lost",
  "delays",
  "slow link",
  "reset",
  "messages",
  "clock rate",
  "clock jump",
  "slow disk",
  "full disk",
  "write error",
  "sync error",
  "read error",
  "client crash",
  "transfer",
  "trim",
  "change of quorum",
  "more partitions",
  "topic comes and goes",
] as const;
/** What destroys something that a disk had promised to keep. Each disk that suffers it counts as lost. */
const DESTRUCTIVE = ["bit rot", "lost file", "unreadable file", "database rot", "wipe"] as const;
/** Nobody can tell an old disk from a new one, or a write that the disk only claims, while the witnesses are down: never within the promise. */
export const DECEPTIVE = ["cut file", "stale sector", "lost write", "misdirected write", "old copy"] as const satisfies readonly string[];

export const WEATHER_KINDS = [...HARMLESS, ...DESTRUCTIVE, ...DECEPTIVE] as const;
export type WeatherKind = (typeof WEATHER_KINDS)[number];

/** How often each kind comes, as mean seconds between two of its kind; absent: never. */
export type Weather = Readonly<Partial<Record<WeatherKind, number>>>;

const isOneOf = (kinds: readonly WeatherKind[], kind: WeatherKind): boolean => kinds.includes(kind);

export interface Plan {
  readonly mode: Mode;
  readonly brokers: number;
  /** The cluster's timing settings, and the pace of everything else, are so many times the default: slow clusters cover more time with less. */
  readonly pace: number;
  readonly racks: number;
  readonly topics: readonly TopicPlan[];
  readonly producers: readonly ProducerPlan[];
  readonly readers: readonly ReaderPlan[];
  /** Consumer groups; half of all runs have some. */
  readonly groups: readonly GroupPlan[];
  readonly weather: Weather;
  /** Disks that may be damaged: within the promise no more than every replica set can lose; never all, since empty founders found another cluster. */
  readonly damagedDisksMax: number;
  readonly faultsMs: number;
  /** Appends up to this size go to the journal; 0: none. */
  readonly journalBytesMax: number;
  /** On the way to one broker. */
  readonly inflightBytesMax: number;
}

export interface PlanOptions {
  readonly mode: Mode;
  /** How long faults go on at the default pace; longer for slower clusters. */
  readonly minutes: number;
  /** Instead of what is drawn, to compare runs. */
  readonly pace?: number | undefined;
  readonly brokers?: number | undefined;
}

export function planOf(chance: Chance, { mode, minutes, ...fixed }: PlanOptions): Plan {
  const drawn = { pace: chance.pick([1, 1, 4, 10, 20, 20]) ?? 1, brokers: chance.pick([3, 3, 3, 3, 3, 4, 5, 5, 7]) ?? 3 };
  const { pace = drawn.pace, brokers = drawn.brokers } = fixed;
  const topics = Array.from({ length: 1 + chance.below(2) }, (_, at) => topicOf(chance, `topic-${at}`, { brokers, pace }));
  const pick = (): TopicPlan => chance.pick(topics) ?? (topics[0] as TopicPlan);
  const metadata = { replicas: brokers, w: Math.floor(brokers / 2) + 1, r: Math.floor(brokers / 2) + 1 };
  const losable = Math.min(...[metadata, ...topics].map(losableDisks));
  const damagedDisksMax = mode === "within" ? losable : Math.min(brokers - 1, losable + 1 + chance.below(2));
  return {
    mode,
    brokers,
    pace,
    racks: chance.pick([1, 1, 2, 3]) ?? 1,
    topics,
    producers: Array.from({ length: 1 + chance.below(3) }, () => producerOf(chance, pick(), pace)),
    readers: Array.from({ length: 1 + chance.below(2) }, () => ({ topic: pick().name, sessionMs: chance.between(2_000, 60_000) * pace })),
    weather: weatherOf(chance, { mode, damagedDisksMax, pace }),
    damagedDisksMax,
    faultsMs: minutes * 60_000 * pace,
    groups: groupsOf(
      chance,
      topics.map(({ name }) => name),
      pace,
    ),
    // Drawn last, so that seeds mean what they did.
    journalBytesMax: chance.pick([0, 2 * KIB, 32 * KIB, 32 * KIB]) ?? 0,
    inflightBytesMax: chance.pick([64 * KIB, 4 * MIB]) ?? 0,
  };
}

/** All valid W and R of so many replicas. */
export function quorumsOf(replicas: number): { w: number; r: number }[] {
  const valid: { w: number; r: number }[] = [];
  for (let w = 1; w <= replicas; w++) for (let r = 1; r <= replicas; r++) if (quorumProblem({ n: replicas, w, r }) === undefined) valid.push({ w, r });
  return valid;
}

/** How many disks a replica set can lose for ever and still have every record, and elect a leader, and commit. */
export const losableDisks = ({ replicas, w, r }: Pick<TopicPlan, "replicas" | "w" | "r">): number => Math.min(w - 1, replicas - Math.max(w, r));

function topicOf(chance: Chance, name: string, { brokers, pace }: Pick<Plan, "brokers" | "pace">): TopicPlan {
  const replicas = chance.oneIn(3) ? 1 + chance.below(brokers) : Math.min(3, brokers);
  const majority = Math.floor(replicas / 2) + 1;
  const { w, r } = (chance.oneIn(2) ? chance.pick(quorumsOf(replicas)) : undefined) ?? { w: majority, r: majority };
  const retention = chance.oneIn(2) ? { segmentAgeMs: (1_000 + chance.below(10_000)) * pace, retentionMs: (5_000 + chance.below(60_000)) * pace } : undefined;
  return { name, partitions: 1 + chance.below(3), replicas, w, r, retention };
}

function producerOf(chance: Chance, topic: TopicPlan, pace: number): ProducerPlan {
  const plan = {
    topic: topic.name,
    acks: chance.oneIn(5) ? ("leader" as const) : ("quorum" as const),
    retryUnknown: chance.oneIn(2),
    pauseMs: chance.between(30, 1_000) * pace,
    recordsPerCall: chance.pick([1, 1, 1, 5, 20]) ?? 1,
    bytesMax: chance.pick([100, 100, 1_000, 20_000]) ?? 100,
  };
  const idempotence = chance.oneIn(3) ? "off" : chance.oneIn(2) ? "named" : "on";
  return { ...plan, idempotence: idempotence !== "off", isNamed: idempotence === "named", batchBytes: plan.recordsPerCall === 1 ? 256 * KIB : KIB };
}

/** Each run has a weather of its own: some kinds often, some seldom, some never. */
function weatherOf(chance: Chance, { mode, damagedDisksMax, pace }: Pick<Plan, "mode" | "damagedDisksMax" | "pace">): Weather {
  const weather: Partial<Record<WeatherKind, number>> = {};
  for (const kind of WEATHER_KINDS) {
    const isPossible = mode === "beyond" || !(isOneOf(DECEPTIVE, kind) || (damagedDisksMax === 0 && isOneOf(DESTRUCTIVE, kind)));
    // Drawn in any case, so that a possible kind more or less changes nothing for the others.
    const comes = chance.oneIn(3);
    const seconds = 3 * 20 ** chance.fraction() * pace;
    if (comes && isPossible) weather[kind] = seconds;
  }
  return weather;
}
