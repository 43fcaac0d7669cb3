/** Topics and the cluster, described and changed. */
import { QuireError } from "../base/errors.js";
import { checkTopicName } from "../base/names.js";
import { type DescribeClusterResponse, FlushMode, type TopicMessage } from "../wire/admin-messages.js";
import { adminService, clusterService } from "../wire/services.js";
import type { CallLimits } from "./calls.js";
import type { Metadata } from "./metadata.js";
import { checkNames, refuse } from "./options.js";

/** Absent keeps the broker's default; bounds are in `proto/quire/v1/admin.proto`. */
export interface TopicSettings {
  /** Records older than this may go; 0 keeps them for ever. */
  readonly retentionMs?: number;
  /** Bytes kept of each partition, about; 0 keeps all. */
  readonly retentionBytes?: number;
  readonly segmentBytes?: number;
  readonly segmentAgeMs?: number;
  /** `batch`: on disk before it is acknowledged. `interval`: what was acknowledged since the last sync can be lost when W brokers lose power at once. */
  readonly flush?: "batch" | "interval";
  readonly flushIntervalMs?: number;
  /** Largest batch body. */
  readonly batchBytesMax?: number;
}

export interface CreateTopicOptions extends CallLimits {
  /** 1 to 10,000; default 1. */
  readonly partitions?: number;
  /** N; default 3, or as many as there are brokers if fewer. */
  readonly replicas?: number;
  /** W; default the majority. */
  readonly writeQuorum?: number;
  /** R; default the majority. */
  readonly readQuorum?: number;
  readonly settings?: TopicSettings;
  /** Check everything, create nothing. */
  readonly validateOnly?: boolean;
  /** When the topic exists already, describe it instead of failing, whatever its settings. */
  readonly ifNotExists?: boolean;
}

export interface UpdateTopicOptions extends CallLimits {
  /** May only grow. */
  readonly partitions?: number;
  readonly writeQuorum?: number;
  readonly readQuorum?: number;
  readonly settings?: TopicSettings;
}

export interface PartitionDescription {
  readonly partition: number;
  /** Node ids, preferred leader first. */
  readonly replicas: readonly number[];
  /** Node id; undefined while unknown. */
  readonly leader: number | undefined;
  readonly term: number;
}

export interface TopicDescription {
  readonly name: string;
  /** Never used again, unlike the name. */
  readonly topicId: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly writeQuorum: number;
  readonly readQuorum: number;
  readonly settings: TopicSettings;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** Raised by every change. */
  readonly version: number;
  readonly partitionStates: readonly PartitionDescription[];
}

export type ClusterDescription = DescribeClusterResponse;

const LIMIT_NAMES = ["timeoutMs", "signal"];
const COUNT_NAMES = ["partitions", "replicas", "writeQuorum", "readQuorum"] as const;
const NUMBER_NAMES = ["retentionMs", "retentionBytes", "segmentBytes", "segmentAgeMs", "flushIntervalMs", "batchBytesMax"] as const;
const SETTING_NAMES = [...NUMBER_NAMES, "flush"] as const;
const UPDATE_NAMES = ["partitions", "writeQuorum", "readQuorum", "settings"] as const;
const CREATE_NAMES = [...UPDATE_NAMES, "replicas", "validateOnly", "ifNotExists", ...LIMIT_NAMES];
const PAGE_SIZE = 1_000;

export class Admin {
  readonly #metadata: Metadata;
  readonly #adminTimeoutMs: number;

  constructor(metadata: Metadata, adminTimeoutMs: number) {
    this.#metadata = metadata;
    this.#adminTimeoutMs = adminTimeoutMs;
  }

  /** @throws QuireError TOPIC_ALREADY_EXISTS, INVALID_NAME, INVALID_QUORUM, NOT_ENOUGH_BROKERS, INVALID_FIELD */
  async createTopic(name: string, options: CreateTopicOptions): Promise<TopicDescription> {
    checkTopicName(name);
    checkNames("create", options, CREATE_NAMES);
    checkNames("settings", options.settings ?? {}, SETTING_NAMES);
    checkNumbers(options);
    const { partitions, replicas, writeQuorum, readQuorum, settings } = options;
    const topic = { name, partitions, replicas, writeQuorum, readQuorum, settings: settingsMessage(settings ?? {}) };
    // An attempt whose answer was lost may have created it; then "exists already" is what we wanted to hear.
    let mayBeOurs = options.ifNotExists === true;
    try {
      const request = { topic, validateOnly: options.validateOnly === true };
      const response = await this.#metadata.calls.call(adminService.CreateTopic, request, this.#limits(options), () => {
        mayBeOurs = true;
      });
      const created = present(response.topic, "created topic");
      if (options.validateOnly !== true) this.#learn(created);
      return description(created);
    } catch (error) {
      if (mayBeOurs && error instanceof QuireError && error.reason === "TOPIC_ALREADY_EXISTS") return await this.getTopic(name, options);
      throw error;
    }
  }

  /** @throws QuireError TOPIC_NOT_FOUND */
  async getTopic(name: string, limits: CallLimits): Promise<TopicDescription> {
    const { topic } = await this.#metadata.calls.call(adminService.GetTopic, { name }, pickLimits(limits));
    return description(present(topic, "topic"));
  }

  /** All topics by name, or those whose name begins with `prefix`. */
  async listTopics(prefix: string, limits: CallLimits): Promise<readonly TopicDescription[]> {
    const topics: TopicDescription[] = [];
    for (let pageToken = ""; ; ) {
      const request = { pageSize: PAGE_SIZE, pageToken, namePrefix: prefix };
      const page = await this.#metadata.calls.call(adminService.ListTopics, request, pickLimits(limits));
      topics.push(...page.topics.map(description));
      if (page.nextPageToken === "") return topics;
      pageToken = page.nextPageToken;
    }
  }

  /** Changes what is given and nothing else. @throws QuireError TOPIC_NOT_FOUND, INVALID_QUORUM, INVALID_FIELD, CONFLICT */
  async updateTopic(name: string, change: UpdateTopicOptions): Promise<TopicDescription> {
    checkNames("update", change, [...UPDATE_NAMES, ...LIMIT_NAMES]);
    checkNames("settings", change.settings ?? {}, SETTING_NAMES);
    checkNumbers(change);
    const { partitions, writeQuorum, readQuorum, settings = {} } = change;
    const top = UPDATE_NAMES.filter((field) => field !== "settings" && change[field] !== undefined).map(snakeCase);
    const inner = SETTING_NAMES.filter((field) => settings[field] !== undefined).map(
      (field) => `settings.${field === "flush" ? "flush_mode" : snakeCase(field)}`,
    );
    const topic = { name, partitions, writeQuorum, readQuorum, settings: settingsMessage(settings) };
    const response = await this.#metadata.calls.call(adminService.UpdateTopic, { topic, updateMask: { paths: [...top, ...inner] } }, this.#limits(change));
    const updated = present(response.topic, "updated topic");
    this.#learn(updated);
    return description(updated);
  }

  /** @throws QuireError TOPIC_NOT_FOUND */
  async deleteTopic(name: string, limits: CallLimits): Promise<void> {
    let mayBeDone = false;
    try {
      await this.#metadata.calls.call(adminService.DeleteTopic, { name }, this.#limits(limits), () => {
        mayBeDone = true;
      });
    } catch (error) {
      if (!(mayBeDone && error instanceof QuireError && error.reason === "TOPIC_NOT_FOUND")) throw error;
    }
    this.#metadata.cache.forgetTopic(name);
  }

  /** Moves a partition's leadership to another of its replicas. */
  async transferLeader(topic: string, partition: number, nodeId: number, limits: CallLimits): Promise<void> {
    checkWhole("partition", partition, 0);
    checkWhole("nodeId", nodeId, 1);
    await this.#metadata.calls.call(adminService.TransferLeader, { topic, partition, nodeId }, this.#limits(limits));
  }

  /** Forgets records before an offset; returns the first that readers may ask for now. */
  async trim(topic: string, partition: number, beforeOffset: number, limits: CallLimits): Promise<number> {
    checkWhole("partition", partition, 0);
    checkWhole("beforeOffset", beforeOffset, 0);
    const { logStartOffset } = await this.#metadata.calls.call(adminService.TrimRecords, { topic, partition, beforeOffset }, this.#limits(limits));
    return logStartOffset;
  }

  async describeCluster(limits: CallLimits): Promise<ClusterDescription> {
    return await this.#metadata.calls.call(clusterService.DescribeCluster, {}, pickLimits(limits));
  }

  #limits(limits: CallLimits): CallLimits {
    return { timeoutMs: this.#adminTimeoutMs, ...pickLimits(limits) };
  }

  /** What was just answered is newer than what the watched broker may know yet. */
  #learn(topic: TopicMessage): void {
    const partitions = topic.partitionStates.map((state) => ({ ...state }));
    this.#metadata.learn({ name: topic.name, topicId: topic.topicId, partitions, batchBytesMax: topic.settings?.batchBytesMax ?? 0 });
  }
}

function pickLimits({ timeoutMs, signal }: CallLimits): CallLimits {
  return { ...(timeoutMs !== undefined && { timeoutMs }), ...(signal !== undefined && { signal }) };
}

function present<T>(value: T | null, what: string): T {
  if (value === null) throw new QuireError("INTERNAL", `the broker's answer lacks the ${what}`);
  return value;
}

/**
 * What the encoding would bend: it cuts fractions off, and 0 partitions means the default. Upper bounds are the broker's to check.
 *
 * @throws QuireError INVALID_SETTING
 */
function checkNumbers(options: CreateTopicOptions): void {
  const { settings = {} } = options;
  for (const name of COUNT_NAMES) checkWhole(name, options[name], 1);
  for (const name of NUMBER_NAMES) checkWhole(`settings.${name}`, settings[name], 0);
  if (settings.flush !== undefined && settings.flush !== "batch" && settings.flush !== "interval") {
    refuse("settings.flush", `settings.flush is ${JSON.stringify(settings.flush)}; use "batch" or "interval"`);
  }
}

function checkWhole(name: string, value: number | undefined, min: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= min)) return;
  refuse(name, `${name} is ${String(value)}; use a whole number from ${min} on`);
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function settingsMessage({ flush, ...others }: TopicSettings): Partial<NonNullable<TopicMessage["settings"]>> {
  return { ...others, flushMode: flush === undefined ? FlushMode.unspecified : FlushMode[flush] };
}

function description(topic: TopicMessage): TopicDescription {
  const { partitionStates, settings, ...rest } = topic;
  const numbers: { -readonly [Name in (typeof NUMBER_NAMES)[number]]?: number } = {};
  for (const name of NUMBER_NAMES) {
    // By name: the decoder adds names of its own for optional fields.
    const value = settings?.[name];
    if (value !== undefined) numbers[name] = value;
  }
  return {
    ...rest,
    settings: { ...numbers, flush: settings?.flushMode === FlushMode.interval ? "interval" : "batch" },
    partitionStates: partitionStates.map(({ partition, replicaNodeIds, leaderNodeId, term }) => ({
      partition,
      replicas: replicaNodeIds,
      leader: leaderNodeId === 0 ? undefined : leaderNodeId,
      term,
    })),
  };
}
