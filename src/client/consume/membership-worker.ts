/** The thread in which memberships are kept up: a handler that keeps the main thread busy does not silence them. */
import { parentPort } from "node:worker_threads";
import { assert } from "../../base/assert.js";
import { systemClock, systemRandom } from "../../base/system-ports.js";
import { dial } from "../../wire/grpc-channel.js";
import { MembershipHost } from "./membership-host.js";
import type { ToHost } from "./membership-messages.js";

const port = parentPort;
assert(port !== null, "this file is a worker's");
const host = new MembershipHost({ clock: systemClock, random: systemRandom, dial }, (message) => port.postMessage(message));
port.on("message", (message: ToHost) => host.post(message));
