import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { indexPlus, type LogIndex, logIndex, offset, type ReplicaId, term } from "../base/ids.js";
import { KIB } from "../base/limits.js";
import type { Logger } from "../base/ports.js";
import { createCore } from "../consensus/core.js";
import type { Configuration, CoreOptions, LogPosition } from "../consensus/types.js";
import { EntryKind } from "../consensus/types.js";
import type { Log } from "../storage/log.js";
import type { ReplicaRecord, ReplicaStore, Snapshot } from "../storage/replica-store.js";
import { decodeConfiguration } from "./configuration-codec.js";
import type { LogFactory } from "./host.js";
import { hasOtherVoters, type ReplicaHostCallbacks } from "./parts.js";
import { LocalReplica } from "./replica.js";
import type { ReplicationBudget } from "./replication-budget.js";
import { type CutPolicy, usableSnapshots } from "./snapshot-plan.js";
import { installingKey } from "./snapshots.js";
import type { Payload, Peers, ReplicaSpec, StateMachine } from "./types.js";

const BEGINNING: LogPosition = { index: logIndex(0), term: term(0) };

export interface OpenOptions {
  readonly spec: ReplicaSpec;
  /** The replica of this set that this broker has on disk, if any. */
  readonly known: ReplicaRecord | undefined;
  /** See `InitialState`. */
  readonly standsFirst: ReplicaId | undefined;
  readonly store: ReplicaStore;
  readonly logs: LogFactory;
  readonly peers: Peers;
  readonly machine: StateMachine;
  readonly cutPolicy: CutPolicy;
  readonly logger: Logger;
  readonly core: CoreOptions;
  readonly budget: ReplicationBudget;
  readonly host: ReplicaHostCallbacks;
}

/**
 * Brings a replica back as it was, or makes a new one: newest snapshot that the log still reaches, then only the
 * entries after it are read, for the configurations among them. They are applied once they are known to be committed.
 * A log in which those entries cannot be read is set aside, and the replica begins again with nothing.
 */
export async function openReplica(options: OpenOptions): Promise<LocalReplica> {
  await discardFormer(options);
  await createIfAbsent(options);
  const damage: QuireError[] = [];
  try {
    return await openOnce(options, (found) => damage.push(found));
  } catch (error) {
    // Of a sole copy nobody has more: it may be readable another time.
    if (!damage.includes(error as QuireError) || !(await mayHaveOthers(options))) throw error;
  }
  await setAside(options, options.spec);
  return openOnce(options, () => undefined);
}

/**
 * A log that cannot be read is as good as lost (rule 10): it is moved out of the way for whoever wants to look at it. Without one, the
 * replica begins again with nothing, in doubt, until a leader that was elected without it has filled it.
 */
export async function setAside({ logs, logger }: Pick<OpenOptions, "logs" | "logger">, { replicaSetId, replicaId }: ReplicaRecord): Promise<void> {
  const aside = await logs.setAside({ replicaSetId, replicaId });
  logger.error(
    { replicaSetId, replicaId, aside },
    "a damaged log was set aside; the replica is filled again from the others. Remove the folder when nobody needs it",
  );
}

async function openOnce(options: OpenOptions, foundDamage: (error: QuireError) => void): Promise<LocalReplica> {
  // Not `options`: what these callbacks name is kept for as long as the log.
  const { spec, logger } = options;
  let replica: LocalReplica | undefined;
  let failedEarly: Error | undefined;
  const log = await options.logs.open(spec, spec.logSettings, {
    onSynced: (last) => replica?.synced(last),
    onFailed: (error) => {
      if (replica === undefined) failedEarly = error;
      else replica.fail(error);
    },
    onDamaged: (error) => {
      if (replica === undefined) foundDamage(error);
      else damaged(replica, error, logger);
    },
  });
  try {
    replica = await replicaOver(log, options);
  } catch (error) {
    // It will be tried again, and a log is open once. Why it could not be opened says more than why it could not be closed.
    await log.close().catch(() => undefined);
    throw error;
  }
  if (failedEarly !== undefined) replica.fail(failedEarly);
  return replica;
}

/** A read found damage. With other voters to be filled from, the replica stops; a sole one goes on with what it can read. */
function damaged(replica: LocalReplica, error: QuireError, logger: Logger): void {
  const { replicaSetId, replicaId } = replica;
  if (hasOtherVoters(replica)) replica.fail(error, { isLogDamaged: true });
  else logger.error({ replicaSetId, replicaId, error }, "a log is damaged, and there is no other replica of it");
}

/** As far as its snapshots know. One that was begun without any voters came to a set that had some. */
async function mayHaveOthers({ spec, store }: OpenOptions): Promise<boolean> {
  const [newest] = await store.snapshots(spec.replicaSetId);
  const configuration = newest?.configuration ?? spec.initial;
  return configuration.voters.length === 0 || hasOtherVoters({ configuration, replicaId: spec.replicaId });
}

async function replicaOver(log: Log, options: OpenOptions): Promise<LocalReplica> {
  const { spec, store, machine } = options;
  const { replicaSetId, replicaId } = spec;
  await finishInstall(options, log);
  const snapshots = await startingSnapshots(options, log);
  const [snapshot] = snapshots;
  machine.restore(snapshot.state);
  const core = createCore<Payload>(
    {
      replicaId,
      hardState: await store.hardState(replicaSetId),
      logStart: log.logStart,
      lastIndex: log.lastIndex,
      termRuns: log.termRuns,
      commitIndex: snapshot.index,
      configurations: [{ index: snapshot.index, configuration: snapshot.configuration }, ...(await configurationsAfter(log, snapshot.index))],
      ...(log.doubt && { doubt: log.doubt }),
      ...(options.standsFirst && { standsFirst: options.standsFirst }),
    },
    options.core,
  );
  if (log.doubt !== undefined) {
    options.logger.warn(
      { replicaSetId, replicaId, doubt: log.doubt },
      "the end of a log may be missing; this replica does not vote until the others have repaired it",
    );
  }
  return new LocalReplica({
    replicaSetId,
    replicaId,
    core,
    log,
    store,
    machine,
    cutPolicy: options.cutPolicy,
    restoredFrom: { index: snapshot.index, nextOffset: snapshot.nextOffset, configuration: snapshot.configuration },
    snapshotsKept: snapshots.map((kept) => kept.index),
    peers: options.peers,
    logger: options.logger,
    budget: options.budget,
    host: options.host,
  });
}

/**
 * Where the state begins, newest first. A log that was damaged beyond all of them begins again with nothing, in doubt: it promises nothing
 * until a leader that was elected without it has given it the snapshot at its own log's start and every record kept.
 *
 * @throws QuireError LOG_CORRUPT for a log that is whole and yet stands on no snapshot
 */
async function startingSnapshots({ spec, store, machine, logger }: OpenOptions, log: Log): Promise<readonly [Snapshot, ...Snapshot[]]> {
  const { replicaSetId, replicaId } = spec;
  const [newest, ...older] = usableSnapshots(await store.snapshots(replicaSetId), log);
  if (newest !== undefined) return [newest, ...older];
  if (log.doubt?.kind !== "damaged") {
    throw new QuireError(
      "LOG_CORRUPT",
      `replica ${replicaId} of set ${replicaSetId} has no snapshot between log positions ${log.logStart.index} and ${log.lastIndex}; remove this broker's data folder and let it join anew`,
    );
  }
  logger.error({ replicaSetId, replicaId, doubt: log.doubt }, "a log is lost; it is filled again from the other replicas");
  const nothing: Snapshot = { ...BEGINNING, configuration: spec.initial, nextOffset: offset(0), state: machine.blank() };
  // In this order, so that no log stands without its snapshot. Of the old one nothing is usable, whenever this is interrupted.
  await store.saveSnapshot(replicaSetId, nothing, []);
  await log.reset(BEGINNING, nothing.nextOffset);
  return [nothing];
}

/** A replica with another id was this broker's before; ids are never used again, so its log is nobody's. */
async function discardFormer({ spec, known, store, logs, logger }: OpenOptions): Promise<void> {
  if (known === undefined || known.replicaId === spec.replicaId) return;
  logger.info(
    { replicaSetId: spec.replicaSetId, former: known.replicaId, replicaId: spec.replicaId },
    "a replica of this broker was replaced; its former log is deleted",
  );
  await logs.delete(known);
  await store.removeReplica(spec.replicaSetId);
}

async function createIfAbsent({ spec, known, store, machine }: OpenOptions): Promise<void> {
  if (known?.replicaId === spec.replicaId) return;
  await store.createReplica(
    { replicaSetId: spec.replicaSetId, replicaId: spec.replicaId },
    { ...BEGINNING, configuration: spec.initial, nextOffset: offset(0), state: machine.blank() },
  );
}

/**
 * A crash between a saved snapshot and the emptied log: the snapshot was complete, so the log goes. Also when it looks empty: the
 * former process may have ended before that was on disk, and a later power cut would bring the old log back without its snapshots.
 * While the mark stands, nothing was appended.
 */
async function finishInstall({ spec, store }: OpenOptions, log: Log): Promise<void> {
  const mark = await store.get(installingKey(spec.replicaSetId));
  if (mark === undefined || mark.length === 0) return;
  const start = JSON.parse(mark.toString()) as Snapshot;
  const saved = (await store.snapshots(spec.replicaSetId)).some((snapshot) => snapshot.index === start.index && snapshot.term === start.term);
  if (saved) await log.reset({ index: start.index, term: start.term }, start.nextOffset);
  await store.put(installingKey(spec.replicaSetId), Buffer.alloc(0));
}

/** Of frames at a time, without the bodies of record batches. */
const READ_BYTES = 128 * KIB;

async function configurationsAfter(log: Log, after: LogIndex): Promise<{ index: LogIndex; configuration: Configuration }[]> {
  const found: { index: LogIndex; configuration: Configuration }[] = [];
  let next = indexPlus(after, 1);
  while (next <= log.lastIndex) {
    const frames = await log.read(next, log.lastIndex, READ_BYTES, "outline");
    for (const frame of frames) {
      if (frame.kind === EntryKind.configuration) found.push({ index: frame.index, configuration: decodeConfiguration(frame.body) });
    }
    assert(frames.length > 0, "a read of what the log holds returns something");
    next = indexPlus(next, frames.length);
  }
  return found;
}
