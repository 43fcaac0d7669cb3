/** Bytes and durations as people write them. */

const BYTE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};
const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

const NUMBER_AND_UNIT = /^(\d[\d_,]*(?:\.\d+)?)\s*([a-z]*)$/i;

/** `64MiB`, `64 MiB`, `64MB` or a plain number of bytes; undefined for anything else. */
export const parseBytes = (text: string): number | undefined => parseWithUnit(text, BYTE_UNITS, "b");
/** `500ms`, `10s`, `5m`, `12h`, `7d` or a plain number of milliseconds; undefined for anything else. */
export const parseDuration = (text: string): number | undefined => parseWithUnit(text, DURATION_UNITS, "ms");

function parseWithUnit(text: string, units: Readonly<Record<string, number>>, plain: string): number | undefined {
  const [, digits = "", unit = ""] = NUMBER_AND_UNIT.exec(text.trim()) ?? [];
  const factor = units[unit.toLowerCase() || plain];
  if (digits === "" || factor === undefined) return undefined;
  return Math.round(Number(digits.replace(/[_,]/g, "")) * factor);
}

/** The largest unit that says it exactly: `64 MiB`, `1,500 B`. */
export const formatBytes = (bytes: number): string =>
  formatExactly(
    bytes,
    [
      ["GiB", 1024 ** 3],
      ["MiB", 1024 ** 2],
      ["KiB", 1024],
    ],
    "B",
  );
/** The largest unit that says it exactly: `7 d`, `1,500 ms`. */
export const formatDuration = (ms: number): string =>
  formatExactly(
    ms,
    [
      ["d", 86_400_000],
      ["h", 3_600_000],
      ["min", 60_000],
      ["s", 1000],
    ],
    "ms",
  );

function formatExactly(value: number, units: readonly (readonly [string, number])[], plain: string): string {
  const unit = value === 0 ? undefined : units.find(([, factor]) => value % factor === 0);
  return unit === undefined ? `${value.toLocaleString("en")} ${plain}` : `${(value / unit[1]).toLocaleString("en")} ${unit[0]}`;
}
