/** What a number may be; with `zero`, 0 too, which then means "none" or "for ever". */
export interface NumberBounds {
  readonly min: number;
  readonly max: number;
  readonly zero?: true;
}

/** Whether `value` is a whole number within these bounds. */
export const isWithin = (value: number, { min, max, zero }: NumberBounds): boolean =>
  Number.isSafeInteger(value) && ((value === 0 && zero === true) || (value >= min && value <= max));

/** `1000 to 60000`, or with a way of writing numbers, and what 0 is allowed besides. */
export const describeBounds = ({ min, max, zero }: NumberBounds, show: (value: number) => string = String): string =>
  `${zero === true ? "0, or " : ""}${show(min)} to ${show(max)}`;
