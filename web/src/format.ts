// Words and numbers for people.
import { timestampDate, timestampFromDate, type Duration, type Timestamp } from "@bufbuild/protobuf/wkt";
import { Outcome, type Value } from "./gen/tactful/v1/common_pb";
import { ConsentStatus } from "./gen/tactful/v1/consent_pb";
import { SilenceReason, type DecideResponse } from "./gen/tactful/v1/decision_pb";

export const points = (value: number, digits = 1) => {
  const rounded = value.toFixed(digits);
  const plain = /^-0(\.0+)?$/.test(rounded) ? rounded.slice(1) : rounded;
  return plain.replace("-", "−");
};
export const signed = (value: number) => (value > 0 ? `+${points(value)}` : points(value));
export const count = (value: number) => value.toLocaleString("en-GB").replaceAll(",", "\u202f");
export const counted = (value: number, noun: string) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
export const percent = (part: number, whole: number) => (whole ? `${Math.round((100 * part) / whole)} %` : "–");

/** A moment in UTC, as rule files and logs write it. */
export function moment(at: Timestamp | Date | undefined): string {
  if (!at) return "–";
  const date = at instanceof Date ? at : timestampDate(at);
  return Number.isNaN(date.getTime()) ? "–" : date.toISOString().slice(0, 19).replace("T", " ");
}

export const clock = (at: Timestamp | undefined) => moment(at).slice(11);
export const milliseconds = (at: Timestamp | undefined) => (at ? timestampDate(at).getTime() : Number.NaN);

const UNITS: [number, string][] = [
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
  [1, "second"],
];

/** A length of time by its largest unit: 59 minutes and 40 seconds are an hour. */
export function span(seconds: number): string {
  const length = Math.abs(seconds);
  const reaches = ([size]: [number, string], index: number) => {
    const smaller = UNITS[index + 1]?.[0] ?? 1;
    return Math.round(length / smaller) * smaller >= size;
  };
  const [size, unit] = UNITS.find(reaches) ?? [1, "second"];
  const amount = Math.round(length / size);
  return `${amount} ${unit}${amount === 1 ? "" : "s"}`;
}

/** How far a moment is from now, or from another moment in milliseconds. */
export function apart(at: Timestamp, from?: number): string {
  const seconds = (milliseconds(at) - (from ?? Date.now())) / 1_000;
  if (from !== undefined) return seconds >= 0 ? `${span(seconds)} later` : `${span(seconds)} before`;
  return seconds >= 0 ? `in ${span(seconds)}` : `${span(seconds)} ago`;
}

/** What `<input type="datetime-local">` shows, in UTC. */
export const toInput = (at: Timestamp | Date | undefined) => (at ? moment(at).replace(" ", "T") : "");
export function fromInput(text: string): Timestamp | undefined {
  const date = new Date(`${text}Z`);
  return text && !Number.isNaN(date.getTime()) ? timestampFromDate(date) : undefined;
}

const words = (name: string | undefined) => (name ?? "").toLowerCase().replaceAll("_", " ");
export const silenceReason = (reason: SilenceReason) => words(SilenceReason[reason]);
export const status = (known: ConsentStatus) => (known === ConsentStatus.UNSPECIFIED ? "no record" : words(ConsentStatus[known]));
export const outcome = (known: Outcome) => words(Outcome[known]);

export function value(known: Value | undefined): string {
  const kind = known?.kind;
  switch (kind?.case) {
    case "text":
      return kind.value;
    case "number":
      return String(kind.value);
    case "flag":
      return kind.value ? "true" : "false";
    case "moment":
      return moment(kind.value);
    case "span":
      return exactSpan(kind.value);
    case "list":
      return kind.value.items.join(", ");
    default:
      return "";
  }
}

export const exactSpan = (length: Duration) => `${Number(length.seconds) + length.nanos / 1e9} s`;

/** What was said, in a few words. */
export function said(decision: DecideResponse | undefined): string {
  if (!decision) return "";
  if (decision.silence) return `silence: ${silenceReason(decision.silence.reason)}`;
  return decision.actions.map((action) => action.actionId).join(", ");
}
