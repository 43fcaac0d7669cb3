/** What travels on a connection, as HTTP/2 and gRPC have it. */
import type { Metadata, StatusObject } from "@grpc/grpc-js";

export type Frame =
  | { readonly kind: "headers"; readonly stream: number; readonly path: string; readonly metadata: Metadata; readonly timeoutMs: number }
  | { readonly kind: "message"; readonly stream: number; readonly bytes: Buffer }
  | { readonly kind: "half-close"; readonly stream: number }
  | { readonly kind: "trailers"; readonly stream: number; readonly status: StatusObject }
  | { readonly kind: "cancel"; readonly stream: number }
  | { readonly kind: "refused"; readonly stream: number }
  | { readonly kind: "window"; readonly stream: number; readonly bytes: number }
  | { readonly kind: "go-away" }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  /** No more from this side, and nothing is under way. */
  | { readonly kind: "finish" }
  /** The server ends everything, at once and by intent. */
  | { readonly kind: "destroy" }
  | { readonly kind: "reset" };

export type StreamFrame = Extract<Frame, { readonly stream: number }>;

export const FRAME_BYTES = 9;
export const HEADERS_BYTES = 200;
