/** Every option of a consumer: default, unit, bounds. */
import { QuireError } from "../../base/errors.js";
import { limits, MIB } from "../../base/limits.js";
import { checkGroupName, checkTopicName } from "../../base/names.js";
import { AssignmentStrategyCode } from "../../wire/group-messages.js";
import { checkNames, checkNumber, type NumberOption, refuse } from "../options.js";
import type { Serializer } from "../serializers.js";

/** How partitions are shared out among the members of a group; see `ConsumeOptions.strategy`. */
export type Strategy = "range" | "uniform" | "sticky";

/** What is read: names of topics, or those whose name fits a pattern in which `*` stands for any characters, those to come too. */
export type ConsumeSubscription = { readonly topics: readonly string[] } | { readonly pattern: string };

/** A handler that throws is called again, `attempts` times in all. */
export interface RetryOptions {
  /** Default 3; 1 to 1,000,000. */
  readonly attempts?: number;
  /** Pause before the second attempt, in milliseconds; doubles with each, half of it random. Default 100. */
  readonly delayMsMin?: number;
  /** The longest pause, in milliseconds. Default 10,000. */
  readonly delayMsMax?: number;
}

/**
 * What becomes of a record whose handler threw at every attempt.
 * - `stop`: the consumer ends, the record is not done, and `done` rejects with a `HandlerFailure`. Nothing is lost, nothing goes on.
 * - `skip`: it counts as done; the log tells.
 * - `deadLetter`: it is sent to that topic, with headers that say where it was and what was thrown, and counts as done once that is acknowledged.
 */
export type OnFailure = "stop" | "skip" | { readonly deadLetter: string };

export interface ConsumeOptions {
  /**
   * When a record counts as processed.
   * - `after` (default): when its handler is done. At least once: a record may come again after a crash.
   * - `before`: before its handler is called, up to 100 records at a time. At most once: after a crash those do not come again.
   * - `manual`: when `context.commit()` says so; the commit covers all records of the partition before it too.
   */
  readonly commit?: "after" | "before" | "manual";
  /**
   * Where a partition begins of which the group has committed nothing, or whose next records are gone. Default `earliest`: a new group misses nothing.
   * With `latest` it begins behind what is there when it is first assigned, and that place is committed at once.
   */
  readonly from?: "earliest" | "latest";
  /**
   * A name for this consumer that outlives it, `a-z 0-9 . _ -`: who enters with it takes over at once what its former self owned, which is fenced.
   * Restarting with it within the session timeout moves no partition. Default: none.
   */
  readonly instance?: string;
  /** For people: shown by `describe`. Default: none. */
  readonly clientId?: string;
  /**
   * How the group's partitions are shared out; all members say the same or nothing. `uniform` (the group's default): evenly, with few moves. `range`: the same numbers of
   * several topics meet in one member. `sticky`: hardly any moves, less even.
   */
  readonly strategy?: Strategy;
  /** Who is not heard for so long is no member any more, and its partitions are given to others. Milliseconds, 1,000 to 1,800,000; default 10,000. */
  readonly sessionTimeoutMs?: number;
  /**
   * How long one attempt of a handler may take. After it the handler counts as hanging: the consumer leaves the group, so that others go on, and `done` rejects with DEADLINE.
   * It is measured by another thread, so an endless loop is noticed too. Milliseconds, 100 to 86,400,000; default 300,000.
   */
  readonly progressTimeoutMs?: number;
  /**
   * How long the record under way may take once its partition is to be given back, or the consumer closes, before `context.signal` aborts. Nobody else gets the
   * partition before the handler has returned. Milliseconds, 0 to 86,400,000; default 10,000.
   */
  readonly drainTimeoutMs?: number;
  /** Partitions worked at at a time, 1 to 100,000; default: all. Of one partition there is always one record at a time, in order. */
  readonly concurrency?: number;
  /** How often progress is committed, at most: milliseconds, 0 to 60,000; default 100. With 0: as soon as the commit before is answered. */
  readonly commitIntervalMs?: number;
  /** Default: 3 attempts. */
  readonly retries?: RetryOptions;
  /** Default `stop`. */
  readonly onFailure?: OnFailure;
  /** Bytes read ahead of the handlers from each broker; default: the client's `readAheadBytes`. A slow handler stops reading. */
  readonly readAheadBytes?: number;
  /** Aborting it closes the consumer; before it is taken in, `consume` rejects with its reason. */
  readonly signal?: AbortSignal;
}

export interface ConsumeEachOptions extends Omit<ConsumeOptions, "concurrency" | "retries" | "onFailure" | "commit"> {
  /** `after` (default): a record is processed when the next one is asked for. `before`: it is processed before the loop gets it. */
  readonly commit?: "after" | "before";
}

export interface ConsumeTopicsOptions<Value> extends ConsumeOptions {
  /** How values come back from bytes; default `json()`. */
  readonly serializer?: Serializer<Value>;
}

const NUMBERS = {
  progressTimeoutMs: { value: 300_000, min: 100, max: 86_400_000 },
  drainTimeoutMs: { value: 10_000, min: 0, max: 86_400_000 },
  concurrency: { value: limits.partitionsPerCluster, min: 1, max: limits.partitionsPerCluster },
  commitIntervalMs: { value: 100, min: 0, max: 60_000 },
} as const satisfies Record<string, NumberOption>;

const AHEAD_RECORDS = 100;
const SESSION: NumberOption = { value: limits.groupSessionTimeoutMs, min: limits.groupSessionTimeoutMsMin, max: limits.groupSessionTimeoutMsMax };
const READ_AHEAD: NumberOption = { value: 4 * MIB, min: 64 * 1024, max: 1024 * MIB };
const RETRIES = {
  attempts: { value: 3, min: 1, max: 1_000_000 },
  delayMsMin: { value: 100, min: 1, max: 3_600_000 },
  delayMsMax: { value: 10_000, min: 1, max: 3_600_000 },
} as const satisfies Record<string, NumberOption>;

/** The same with defaults filled in; texts are empty where nothing was said. */
export interface ResolvedConsume {
  readonly group: string;
  readonly topics: readonly string[];
  readonly pattern: string;
  readonly commit: "after" | "before" | "manual";
  readonly from: "earliest" | "latest";
  readonly instanceId: string;
  readonly clientId: string;
  readonly strategy: number;
  readonly sessionTimeoutMs: number;
  readonly progressTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly concurrency: number;
  readonly commitIntervalMs: number;
  readonly retries: Required<RetryOptions>;
  readonly onFailure: OnFailure;
  /** With `commit: "before"`, so many records are committed at a time before the first of them is handled. */
  readonly aheadRecords: number;
  /** Undefined: the client's. */
  readonly readAheadBytes: number | undefined;
  readonly signal: AbortSignal | undefined;
}

const TEXTS = ["commit", "from", "instance", "clientId", "strategy", "onFailure"];
export const CONSUME_NAMES = [...TEXTS, ...Object.keys(NUMBERS), "sessionTimeoutMs", "readAheadBytes", "retries", "signal"];
const INSTANCE = /^[a-z0-9._-]{1,64}$/;
const CLIENT_ID_LENGTH = 249;

/** @throws QuireError INVALID_NAME, INVALID_SETTING, INVALID_FIELD */
export function resolveConsume(group: string, subscription: ConsumeSubscription, given: ConsumeOptions, names = CONSUME_NAMES): ResolvedConsume {
  if (typeof group !== "string") throw new QuireError("INVALID_NAME", `a group's name is text, not ${typeof group}`);
  checkGroupName(group);
  checkNames("consume", given, names);
  const { instance = "", clientId = "", strategy, signal, onFailure = "stop" } = given;
  if (instance !== "" && !INSTANCE.test(instance)) refuse("instance", `instance is ${JSON.stringify(instance)}; use 1 to 64 of a-z 0-9 . _ -`);
  if (typeof clientId !== "string" || clientId.length > CLIENT_ID_LENGTH) refuse("clientId", `clientId is at most ${CLIENT_ID_LENGTH} characters of text`);
  if (strategy !== undefined) choice("strategy", strategy, ["range", "uniform", "sticky"]);
  const read = checkSubscription(subscription);
  if (typeof onFailure === "object" && onFailure !== null && read.topics.includes(onFailure.deadLetter))
    refuse("onFailure", `topic ${onFailure.deadLetter} cannot hold its own dead letters`);
  return {
    group,
    ...read,
    commit: choice("commit", given.commit ?? "after", ["after", "before", "manual"]),
    from: choice("from", given.from ?? "earliest", ["earliest", "latest"]),
    instanceId: instance,
    clientId,
    strategy: AssignmentStrategyCode[strategy ?? "unspecified"],
    sessionTimeoutMs: checkNumber("sessionTimeoutMs", given.sessionTimeoutMs ?? SESSION.value, SESSION),
    progressTimeoutMs: numberOf(given, "progressTimeoutMs"),
    drainTimeoutMs: numberOf(given, "drainTimeoutMs"),
    concurrency: numberOf(given, "concurrency"),
    commitIntervalMs: numberOf(given, "commitIntervalMs"),
    retries: checkRetries(given.retries ?? {}),
    onFailure: checkOnFailure(onFailure),
    aheadRecords: AHEAD_RECORDS,
    readAheadBytes: given.readAheadBytes === undefined ? undefined : checkNumber("readAheadBytes", given.readAheadBytes, READ_AHEAD),
    signal,
  };
}

const numberOf = (given: ConsumeOptions, name: keyof typeof NUMBERS): number => checkNumber(name, given[name] ?? NUMBERS[name].value, NUMBERS[name]);

function choice<const Choice extends string>(name: string, given: Choice, choices: readonly Choice[]): Choice {
  if (choices.includes(given)) return given;
  return refuse(name, `${name} is ${JSON.stringify(given)}; use one of ${choices.join(", ")}`);
}

function checkSubscription(subscription: ConsumeSubscription): { readonly topics: readonly string[]; readonly pattern: string } {
  checkNames("subscription", subscription, ["topics", "pattern"]);
  const { topics, pattern } = subscription as { readonly topics?: readonly string[]; readonly pattern?: string };
  if ((topics === undefined) === (pattern === undefined)) refuse("topics", "a subscription has either topics or a pattern");
  if (topics === undefined) {
    if (typeof pattern !== "string" || pattern === "") refuse("pattern", "a pattern is text, such as orders.*");
    return { topics: [], pattern };
  }
  if (!Array.isArray(topics) || topics.length === 0 || topics.length > limits.topicsPerSubscription)
    refuse("topics", `topics is a list of 1 to ${limits.topicsPerSubscription} names`);
  for (const topic of topics) checkTopicName(String(topic));
  return { topics: [...new Set(topics)], pattern: "" };
}

function checkRetries(given: RetryOptions): Required<RetryOptions> {
  checkNames("retries", given, Object.keys(RETRIES));
  const of = (name: keyof typeof RETRIES): number => checkNumber(`retries.${name}`, given[name] ?? RETRIES[name].value, RETRIES[name]);
  const retries = { attempts: of("attempts"), delayMsMin: of("delayMsMin"), delayMsMax: of("delayMsMax") };
  if (retries.delayMsMin > retries.delayMsMax) refuse("retries", `retries.delayMsMin ${retries.delayMsMin} is above retries.delayMsMax ${retries.delayMsMax}`);
  return retries;
}

function checkOnFailure(given: OnFailure): OnFailure {
  if (given === "stop" || given === "skip") return given;
  if (typeof given !== "object" || given === null)
    refuse("onFailure", `onFailure is ${JSON.stringify(given)}; use "stop", "skip" or { deadLetter: "a-topic" }`);
  checkNames("onFailure", given, ["deadLetter"]);
  checkTopicName(String(given.deadLetter));
  return given;
}
