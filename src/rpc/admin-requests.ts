/** Requests of AdminService as the control plane takes them, every field checked. */
import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { describeBounds, isWithin } from "../base/number-bounds.js";
import { topicBounds } from "../base/topic-bounds.js";
import type { TopicChange, TopicRequest, TopicSettings } from "../cluster/view.js";
import { type CreateTopicRequest, FlushMode, type TopicMessage, type TopicSettingsMessage, type UpdateTopicRequest } from "../wire/admin-messages.js";
import { count, integer, refuseField, required, topicName } from "./validate.js";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type NumericSetting = Exclude<keyof TopicSettings, "flush">;

/** Numbers among the settings, by the names that admin.proto gives them. */
const fieldOf: Readonly<Record<NumericSetting, string>> = {
  retentionMs: "retention_ms",
  retentionBytes: "retention_bytes",
  segmentBytes: "segment_bytes",
  segmentAgeMs: "segment_age_ms",
  flushIntervalMs: "flush_interval_ms",
  batchBytesMax: "batch_bytes_max",
};
const numericSettings = Object.keys(fieldOf) as NumericSetting[];

/** @throws QuireError INVALID_FIELD, INVALID_NAME; contradictions between fields are the control plane's to find */
export function parseCreateTopic(request: CreateTopicRequest): TopicRequest {
  const topic = required(request.topic, "topic");
  const partitions = given(topic.partitions, "topic.partitions", limits.partitionsPerTopic);
  const replicas = given(topic.replicas, "topic.replicas", limits.replicasPerPartition);
  const writeQuorum = given(topic.writeQuorum, "topic.write_quorum", limits.replicasPerPartition);
  const readQuorum = given(topic.readQuorum, "topic.read_quorum", limits.replicasPerPartition);
  return {
    name: topicName(topic.name, "topic.name"),
    ...(partitions !== undefined && { partitions }),
    ...(replicas !== undefined && { replicas }),
    ...(writeQuorum !== undefined && { writeQuorum }),
    ...(readQuorum !== undefined && { readQuorum }),
    ...(topic.settings !== null && { settings: parseSettings(topic.settings) }),
    ...(request.validateOnly && { validateOnly: true }),
  };
}

/** 0 takes the default. */
const given = (value: number, field: string, max: number): number | undefined => (value === 0 ? undefined : integer(value, field, 1, max));

function parseSettings(message: TopicSettingsMessage): Partial<TopicSettings> {
  const settings: Partial<Mutable<TopicSettings>> = {};
  for (const key of numericSettings) {
    const value = message[key];
    if (value !== undefined) settings[key] = checkSetting(key, value);
  }
  if (message.flushMode !== FlushMode.unspecified) settings.flush = flushMode(message.flushMode);
  return settings;
}

function checkSetting(key: NumericSetting, value: number): number {
  const bounds = topicBounds[key];
  if (!isWithin(value, bounds)) refuseField(`topic.settings.${fieldOf[key]}`, `is ${value}`, `it must be a whole number, ${describeBounds(bounds)}`);
  return value;
}

function flushMode(value: number): TopicSettings["flush"] {
  if (value === FlushMode.batch) return "batch";
  if (value === FlushMode.interval) return "interval";
  return refuseField("topic.settings.flush_mode", `is ${value}, which this broker does not know`, "use 1 (batch) or 2 (interval)");
}

const settingOfPath = new Map<string, NumericSetting>(numericSettings.map((key) => [`settings.${fieldOf[key]}`, key]));
const paths = ["partitions", "write_quorum", "read_quorum", "settings.flush_mode", ...settingOfPath.keys()];

/** Only what the mask names is looked at. @throws QuireError INVALID_FIELD, INVALID_NAME */
export function parseUpdateTopic(request: UpdateTopicRequest): { name: string; change: TopicChange } {
  const topic = required(request.topic, "topic");
  const name = topicName(topic.name, "topic.name");
  const mask = required(request.updateMask, "update_mask").paths;
  count(mask, "update_mask.paths", 1, paths.length);
  const change: Mutable<TopicChange> & { settings: Partial<Mutable<TopicSettings>> } = { settings: {} };
  for (const path of mask) changeOne(change, path, topic);
  return { name, change };
}

function changeOne(change: Mutable<TopicChange> & { settings: Partial<Mutable<TopicSettings>> }, path: string, topic: TopicMessage): void {
  switch (path) {
    case "partitions":
      change.partitions = integer(topic.partitions, "topic.partitions", 1, limits.partitionsPerTopic);
      return;
    case "write_quorum":
      change.writeQuorum = integer(topic.writeQuorum, "topic.write_quorum", 1, limits.replicasPerPartition);
      return;
    case "read_quorum":
      change.readQuorum = integer(topic.readQuorum, "topic.read_quorum", 1, limits.replicasPerPartition);
      return;
    case "settings.flush_mode":
      change.settings.flush = flushMode(topic.settings?.flushMode ?? 0);
      return;
  }
  const key = settingOfPath.get(path);
  if (key === undefined) refuseField("update_mask.paths", `has ${JSON.stringify(path.slice(0, 100))}, which cannot be updated`, `use ${paths.join(", ")}`);
  change.settings[key] = checkSetting(key, required(topic.settings?.[key], `topic.${path}`));
}

/** Where a list goes on: behind a name, for the same prefix. */
export interface PageToken {
  readonly after: string;
  readonly prefix: string;
}

export const encodePageToken = ({ after, prefix }: PageToken): string => Buffer.from(JSON.stringify([1, after, prefix])).toString("base64url");

/** @throws QuireError INVALID_PAGE_TOKEN */
export function decodePageToken(token: string, prefix: string): PageToken | undefined {
  if (token === "") return undefined;
  const refuse = (why: string): never => {
    throw new QuireError("INVALID_PAGE_TOKEN", `page_token ${why}; give the next_page_token of the response before, with the same name_prefix`, {
      fields: [{ field: "page_token", description: why }],
    });
  };
  let decoded: unknown;
  try {
    decoded = token.length > 4 * limits.topicNameLength ? undefined : JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    return refuse("was not made by this service");
  }
  if (!Array.isArray(decoded) || decoded.length !== 3) return refuse("was not made by this service");
  const [version, after, tokenPrefix] = decoded as unknown[];
  if (version !== 1 || typeof after !== "string" || typeof tokenPrefix !== "string") return refuse("was not made by this service");
  if (tokenPrefix !== prefix) return refuse(`is for name_prefix ${JSON.stringify(tokenPrefix.slice(0, 100))}`);
  return { after, prefix };
}
