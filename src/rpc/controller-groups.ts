import { QuireError, toQuireError } from "../base/errors.js";
import { replicaSetId } from "../base/ids.js";
import type { Clock } from "../base/ports.js";
import { leaderUnknown } from "../base/refusals.js";
import { encodeCommand } from "../cluster/commands.js";
import { applyGroupChange } from "../cluster/group-change.js";
import type { GroupChange, GroupInfo, GroupsAdmin } from "../cluster/group-info.js";
import type { ClusterView } from "../cluster/view.js";
import { callUnary } from "../wire/call.js";
import { peerChannelOptions } from "../wire/channel-options.js";
import type { Init } from "../wire/messages.js";
import type { UnaryMethod } from "../wire/method.js";
import type { Channel, Dial } from "../wire/transport.js";
import { peerService } from "./peer-protocol.js";

export interface ControllerGroupsOptions {
  readonly view: ClusterView;
  /** This broker's own controller, which refuses while another one is in charge. */
  readonly local: GroupsAdmin;
  readonly dial: Dial;
  readonly clock: Clock;
}

const TIMEOUT_MS = 5_000;

/** The controller's verbs for groups, from any broker: here if this one is the controller, else there, on a connection that is kept. */
export class ControllerGroups implements GroupsAdmin {
  readonly #options: ControllerGroupsOptions;
  #channel: { readonly address: string; readonly channel: Channel } | undefined;

  constructor(options: ControllerGroupsOptions) {
    this.#options = options;
  }

  /** @throws QuireError as `Controller`; WRITE_OUTCOME_UNKNOWN when no answer came: asking again tells, since the version is compared */
  async changeGroup(change: GroupChange, before: GroupInfo | undefined): Promise<GroupInfo> {
    const { local } = this.#options;
    if (this.#mayBeHere) return local.changeGroup(change, before);
    const command = encodeCommand({ kind: "change-group", change });
    const { generation, begunAfter } = await this.#call(peerService.ChangeGroup, { command });
    if (before !== undefined && before.begunAfter !== begunAfter) {
      throw new QuireError("WRITE_OUTCOME_UNKNOWN", `group ${change.group} was deleted and begun anew at the same time; look at it and try again`);
    }
    // The controller has checked it; the rest follows. Before a group's first generation, what it was begun after tells the next one.
    return applyGroupChange(before, change, { generation: before === undefined ? begunAfter + 1 : generation, exists: (id) => id > replicaSetId(0) });
  }

  async deleteGroup(name: string, version?: number): Promise<void> {
    if (this.#mayBeHere) await this.#options.local.deleteGroup(name, version);
    else await this.#call(peerService.DeleteGroup, { group: name, version: version ?? 0 });
  }

  close(): void {
    this.#channel?.channel.close();
    this.#channel = undefined;
  }

  /** Also while nobody is known to be in charge: then the refusal says so. */
  get #mayBeHere(): boolean {
    const { view } = this.#options;
    return view.controller === undefined || view.controller === view.self;
  }

  async #call<Request, Response>(method: UnaryMethod<Request, Response>, request: Init<Request>): Promise<Response> {
    try {
      return await callUnary(this.#toController(), method, request, { deadline: this.#options.clock.wallMs() + TIMEOUT_MS });
    } catch (thrown) {
      const error = toQuireError(thrown);
      if (error.reason !== "DEADLINE" && error.reason !== "BROKER_UNREACHABLE" && error.reason !== "CANCELLED") throw error;
      throw new QuireError("WRITE_OUTCOME_UNKNOWN", `the controller gave no answer (${error.message}); the group may or may not be changed`, { cause: error });
    }
  }

  #toController(): Channel {
    const { view, dial } = this.#options;
    const address = view.controller === undefined ? undefined : view.broker(view.controller)?.peerAddress;
    if (address === undefined) throw leaderUnknown(view.self, "the cluster's metadata");
    if (this.#channel?.address !== address) {
      this.close();
      this.#channel = { address, channel: dial(address, peerChannelOptions) };
    }
    return this.#channel.channel;
  }
}
