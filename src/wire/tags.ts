/** Tags of fields, the varint before each value: field number and wire type (protobuf.dev/programming-guides/encoding). */

export const WireType = { varint: 0, fixed64: 1, bytes: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

export const varintField = (number: number): number => (number << 3) | WireType.varint;
/** Of bytes, strings, messages and packed numbers. */
export const bytesField = (number: number): number => (number << 3) | WireType.bytes;
export const fixed32Field = (number: number): number => (number << 3) | WireType.fixed32;
