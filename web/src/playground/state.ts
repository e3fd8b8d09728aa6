// The whole state of the playground, and how it is a link: only what differs from the sample, compressed.
import { toJson, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { ValueSchema } from "../gen/tactful/v1/common_pb";
import type { Given } from "../facts";

export interface Step {
  at: string;
  what:
    | { consent: { purpose: string; status: string } }
    | { attributes: Record<string, JsonValue> }
    | { event: { type: string; fields: Record<string, JsonValue> } }
    | { outcome: { action: string; channel: string; outcome: string } }
    | { decision: { channel: string; context: Record<string, JsonValue> } };
}

export interface State {
  /** Files that differ from the sample, by path; null for one that was removed. */
  files: Record<string, string | null>;
  steps: Step[];
  channel: string;
  context: Record<string, JsonValue>;
  at: string;
}

export const START: State = {
  files: {},
  steps: [],
  channel: "web",
  context: { topic: { text: "speed" }, activity: { text: "browsing" } },
  at: "2026-03-02T09:00:00Z",
};

export const toGiven = (facts: Record<string, JsonValue>): Given =>
  Object.fromEntries(
    Object.entries(facts).flatMap(([name, json]) => {
      try {
        return [[name, fromJson(ValueSchema, json)] as const];
      } catch {
        return [];
      }
    }),
  );
export const fromGiven = (given: Given): Record<string, JsonValue> => Object.fromEntries(Object.entries(given).map(([name, value]) => [name, toJson(ValueSchema, value)]));

const through = (bytes: Uint8Array<ArrayBuffer>, stream: CompressionStream | DecompressionStream) =>
  new Response(new Blob([bytes]).stream().pipeThrough(stream as ReadableWritablePair<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>)).arrayBuffer();

export async function toLink(state: State): Promise<string> {
  const packed = new Uint8Array(await through(new TextEncoder().encode(JSON.stringify(state)), new CompressionStream("deflate-raw")));
  let binary = "";
  for (const byte of packed) binary += String.fromCharCode(byte);
  return `#${btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

export async function fromLink(hash: string): Promise<State> {
  const coded = hash.replace(/^#/, "").replaceAll("-", "+").replaceAll("_", "/");
  if (!coded) return START;
  try {
    const bytes = Uint8Array.from(atob(coded), (letter) => letter.charCodeAt(0));
    const text = new TextDecoder().decode(await through(bytes, new DecompressionStream("deflate-raw")));
    return { ...START, ...(JSON.parse(text) as Partial<State>) };
  } catch {
    return START;
  }
}
