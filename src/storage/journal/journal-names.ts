/** What logs and files are called in the journal. */
import type { ReplicaRecord } from "../replica-store.js";

/** Names a log. */
export const keyOf = ({ replicaSetId, replicaId }: ReplicaRecord): string => `${replicaSetId}-${replicaId}`;

const DIGITS = 20;
export const journalName = (file: number): string => `${String(file).padStart(DIGITS, "0")}.journal`;

/** 0 for another name. */
export const fileOf = (name: string): number => (name.endsWith(".journal") ? Number.parseInt(name, 10) || 0 : 0);
