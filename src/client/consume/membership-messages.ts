/** What passes between a consumer and whoever keeps up its membership, which may be another thread: plain data, as structured cloning takes it. */
import { isReason, QuireError } from "../../base/errors.js";
import type { JoinEnter, OwnedPartitionMessage } from "../../wire/group-messages.js";
import type { ClientOptions } from "../options.js";

/** What a membership needs of the client's options. */
export type MembershipOptions = Pick<ClientOptions, "keepaliveTimeMs" | "keepaliveTimeoutMs" | "retryDelayMsMin" | "retryDelayMsMax" | "silenceMs">;

/** Who enters, and what for. */
export type MemberPlan = Omit<JoinEnter, "holding"> & {
  /** Work under way that goes neither on nor back for so long means that the consumer hangs. */
  readonly progressTimeoutMs: number;
};

export type ToHost =
  | { readonly do: "begin"; readonly options: MembershipOptions }
  /** Where brokers are, in the order of asking. */
  | { readonly do: "addresses"; readonly addresses: readonly string[] }
  /** `holding` when another host kept this membership up before. */
  | { readonly do: "enter"; readonly id: number; readonly plan: MemberPlan; readonly holding: readonly OwnedPartitionMessage[]; readonly progress: Int32Array }
  /** `stream` and `version` of the newest assignment that was dealt with. */
  | {
      readonly do: "hold";
      readonly id: number;
      readonly stream: number;
      readonly version: number;
      readonly partitions: readonly OwnedPartitionMessage[];
    }
  | { readonly do: "leave"; readonly id: number };

export type FromHost =
  | { readonly say: "entered"; readonly id: number; readonly coordinatorNodeId: number; readonly sessionTimeoutMs: number }
  /** `stream` counts the streams of this membership: versions rise within one. */
  | {
      readonly say: "assignment";
      readonly id: number;
      readonly stream: number;
      readonly version: number;
      readonly partitions: readonly OwnedPartitionMessage[];
    }
  /** Everything held is others' now; the member enters anew by itself. */
  | { readonly say: "fenced"; readonly id: number; readonly why: ErrorMessage }
  /** The stream broke; it goes on, nothing is lost yet. */
  | { readonly say: "lost"; readonly id: number; readonly address: string; readonly why: ErrorMessage }
  /** No member any more: it left (no error), or cannot be one. Nothing follows. */
  | { readonly say: "ended"; readonly id: number; readonly why: ErrorMessage | undefined };

export interface ErrorMessage {
  readonly reason: string;
  readonly message: string;
  readonly details: Readonly<Record<string, string | number>>;
}

export const toErrorMessage = ({ reason, message, details }: QuireError): ErrorMessage => ({ reason, message, details });

export const fromErrorMessage = ({ reason, message, details }: ErrorMessage): QuireError =>
  new QuireError(isReason(reason) ? reason : "INTERNAL", message, { details });

/** Keeps up memberships: inline, or in a thread of its own. */
export interface MembershipHosting {
  post(message: ToHost): void;
  close(): void;
}

/** @param failed the thread could not start, or ended by itself: nothing is kept up any more */
export type StartMembershipHost = (heard: (message: FromHost) => void, failed: (why: unknown) => void) => MembershipHosting;
