import { MIB } from "../base/limits.js";
import type { ReplicaEnvelope } from "../replica/types.js";
import { MalformedError } from "../wire/reader.js";
import type { SnapshotPart } from "./peer-envelope-codec.js";

/** States under way on one stream, together; a sender that exceeds it is no broker of ours. */
const ASSEMBLING_BYTES_MAX = 256 * MIB;

interface Assembly {
  readonly first: SnapshotPart;
  readonly parts: Buffer[];
  bytes: number;
}

/** Puts the parts of snapshots together again, for one incoming stream: there they come in order, and all of them or none. */
export class SnapshotAssembler {
  readonly #assemblies = new Map<number, Assembly>();
  #bytes = 0;

  /** The whole snapshot once its last part is here. A first part forgets an unfinished snapshot of the same replica set. @throws MalformedError */
  accept(part: SnapshotPart): ReplicaEnvelope | undefined {
    const set = part.envelope.replicaSetId;
    if (part.partOffset === 0) {
      this.#forget(set);
      if (part.part.length === part.stateBytes) return whole(part, part.part);
      this.#assemblies.set(set, { first: part, parts: [], bytes: 0 });
    }
    const assembly = this.#assemblies.get(set);
    // Parts of a snapshot that was given up for a newer one are of no use.
    if (assembly === undefined) return undefined;
    if (!continues(assembly, part)) throw new MalformedError(`a snapshot of replica set ${set} has a part that does not continue it`);
    assembly.parts.push(part.part);
    assembly.bytes += part.part.length;
    this.#bytes += part.part.length;
    if (this.#bytes > ASSEMBLING_BYTES_MAX) throw new MalformedError(`unfinished snapshots exceed ${ASSEMBLING_BYTES_MAX} bytes`);
    if (assembly.bytes < part.stateBytes) return undefined;
    this.#forget(set);
    return whole(assembly.first, Buffer.concat(assembly.parts));
  }

  #forget(set: number): void {
    this.#bytes -= this.#assemblies.get(set)?.bytes ?? 0;
    this.#assemblies.delete(set);
  }
}

function continues({ first, bytes }: Assembly, part: SnapshotPart): boolean {
  return (
    part.part.length > 0 &&
    part.partOffset === bytes &&
    part.stateBytes === first.stateBytes &&
    part.term === first.term &&
    part.snapshot.index === first.snapshot.index &&
    part.snapshot.term === first.snapshot.term &&
    part.envelope.from === first.envelope.from &&
    part.envelope.to === first.envelope.to
  );
}

const whole = ({ envelope, term, snapshot, nextOffset }: SnapshotPart, state: Buffer): ReplicaEnvelope => ({
  ...envelope,
  message: { kind: "snapshot", term, snapshot, state: { nextOffset, state } },
});
