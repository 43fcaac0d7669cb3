/**
 * Room for records on a broker's disk. `low`: below the reserve, so leaders admit nothing more that needs this disk, and what was admitted
 * before is still taken. `none`: below half the reserve, so no records are taken; the rest is for what keeps a broker going (votes,
 * metadata, snapshots) and for what makes room again.
 */
export type DiskRoom = "enough" | "low" | "none";
