import { QuireError } from "../base/errors.js";
import type { NodeId } from "../base/ids.js";
import type { GroupChange } from "./group-info.js";
import type { BrokerInfo, TopicSettings, TopicSpec } from "./view.js";

/**
 * What changes the cluster metadata: the body of a `command` entry. Commands say what is wanted; whether it may be is
 * decided when they are applied, since several may race. Chance (ids, placement, time) is drawn before, so that applying is
 * the same everywhere.
 */
export type Command =
  /** A new broker, new addresses, or a new disk under a known node id: then each replica it had is replaced in the same step. */
  | { readonly kind: "register-broker"; readonly broker: BrokerInfo }
  | {
      readonly kind: "create-topic";
      readonly topicId: string;
      readonly createdMs: number;
      readonly spec: TopicSpec;
      /** Per partition the brokers of its replicas, preferred leader first. */
      readonly placements: readonly (readonly NodeId[])[];
    }
  | {
      readonly kind: "update-topic";
      readonly name: string;
      /** Of the topic that was looked at; refused when the name means another one by now. */
      readonly topicId: string;
      /** Partitions there were when `added` was placed; refused when that changed. */
      readonly partitionsBefore: number;
      /** Placements of additional partitions. */
      readonly added: readonly (readonly NodeId[])[];
      readonly writeQuorum?: number;
      readonly readQuorum?: number;
      readonly settings?: Partial<TopicSettings>;
    }
  | { readonly kind: "delete-topic"; readonly name: string }
  /** So many producer ids in a row, which nobody gets again. */
  | { readonly kind: "reserve-producer-ids"; readonly count: number }
  /** A named producer begins anew: its id stays, its epochs rise. */
  | { readonly kind: "init-producer"; readonly name: string }
  /** A step of a consumer group; refused when the group is at another version by now. */
  | { readonly kind: "change-group"; readonly change: GroupChange }
  /** Refused while it has members, or when `expectedVersion` is given and is not its version by now. */
  | { readonly kind: "delete-group"; readonly name: string; readonly expectedVersion?: number };

const VERSION = 1;
const KINDS: Readonly<Record<Command["kind"], true>> = {
  "register-broker": true,
  "create-topic": true,
  "update-topic": true,
  "delete-topic": true,
  "reserve-producer-ids": true,
  "init-producer": true,
  "change-group": true,
  "delete-group": true,
};

/** `version` is the format's: a command with a field of that name would stop every broker, so the type refuses it. */
export const encodeCommand = (command: Command & { readonly version?: never }): Buffer => Buffer.from(JSON.stringify({ ...command, version: VERSION }));

/**
 * A command this broker does not know was written by a newer one. It may not be skipped, since the states would differ
 * from then on: the replica halts until its broker is upgraded.
 *
 * @throws QuireError UNSUPPORTED
 */
export function decodeCommand(body: Buffer): Command {
  const { version, ...command } = JSON.parse(body.toString()) as { version: number } & Command;
  if (version !== VERSION || !Object.hasOwn(KINDS, command.kind)) {
    throw new QuireError(
      "UNSUPPORTED",
      `the cluster metadata holds a command "${command.kind}" of version ${version}, which this broker does not know; upgrade this broker`,
    );
  }
  return command as Command;
}
