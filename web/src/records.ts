// Consent records: JSON-LD of the profile dpv-27560, as far as the page shows it.
import { moment } from "./format";

export interface ConsentRecord {
  id: string;
  /** Empty for a record that concerns every purpose. */
  purpose: string;
  status: string;
  at: Date;
  rows: [string, string][];
}

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const object = (value: unknown): Json => (isObject(value) ? value : {});
const first = (value: unknown): Json => object(Array.isArray(value) ? value[0] : value);
const when = (value: unknown): string => (typeof value === "string" && !Number.isNaN(Date.parse(value)) ? `${moment(new Date(value))} UTC` : "");
const text = (value: unknown): string => (typeof value === "string" ? value : typeof value === "number" || typeof value === "boolean" ? String(value) : "");

export function consentRecord(json: string): ConsentRecord | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return undefined;
  }
  const record = object(parsed);
  const process = first(record["dpv:hasProcess"]);
  const said = object(process["dpv:hasConsentStatus"] ?? process["dpv:hasRight"]);
  const purpose = first(process["dpv:hasPurpose"]);
  const notice = first(record["dpv:hasNotice"]);
  const source = object(record["tactful:source"]);
  const status = text(said["tactful:status"]);
  const by = text(said["dpv:isIndicatedBy"]);
  const rows: [string, string][] = [
    ["Purpose", `${text(purpose["dpv:hasIdentifier"]) || "every purpose"}${purpose["dct:hasVersion"] ? `, version ${text(purpose["dct:hasVersion"])}` : ""}`],
    ["Status", status.replaceAll("_", " ")],
    ["Received", when(record["dct:created"])],
    ["Expressed", when(said["dpv:isIndicatedAtTime"])],
    ["How", text(said["dpv:hasIndicationMethod"])],
    ["By", by === "dpv:DataSubject" ? "the customer" : by],
    ["Valid until", when(said["dct:valid"])],
    ["Notice", text(notice["dpv:hasIdentifier"])],
    ["SHA-256 of the notice", text(notice["tactful:sha256"])],
    ["Language", text(record["dct:language"])],
    ["Legal basis", text(process["dpv:hasLegalBasis"])],
    ["Channel", text(source["tactful:channel"])],
    ["Actor", text(source["tactful:actor"])],
    ["Evidence", text(source["tactful:evidence"])],
    ["Deferred", text(source["tactful:deferred"]) === "true" ? "yes: it came later than it was expressed" : ""],
    ["Recorded by", text(source["tactful:recordedBy"])],
    ["Record", text(record["dpv:hasIdentifier"])],
  ];
  return {
    id: text(record["dpv:hasIdentifier"]),
    purpose: text(purpose["dpv:hasIdentifier"]),
    status,
    at: new Date(text(record["dct:created"])),
    rows: rows.filter(([, value]) => value !== ""),
  };
}
