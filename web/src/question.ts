// A question as a link, and back.
import { create } from "@bufbuild/protobuf";
import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { ConsentChangeSchema, ConsentStatus } from "./gen/tactful/v1/consent_pb";
import { DecideRequestSchema, ExplainLevel, type DecideRequest } from "./gen/tactful/v1/decision_pb";
import { fromLink, toLink } from "./values";
import { fromInput } from "./format";
import type { Given } from "./facts";

const CONTEXT = "c.";
const CONSENT = "s.";
/** What may be supposed of a purpose. */
export const SUPPOSED: Record<string, ConsentStatus> = { given: ConsentStatus.GIVEN, withdrawn: ConsentStatus.WITHDRAWN };

export interface Asked {
  customer: string;
  channel: string;
  groups: string;
  most: string;
  context: Given;
  at: string;
  /** The decision that it is compared with. */
  of: string;
  /** Consents to suppose: `given` or `withdrawn` by purpose. */
  consents: Record<string, string>;
}

export function questionQuery(request: DecideRequest, { at, of }: { at?: Timestamp | undefined; of?: string }): URLSearchParams {
  const iso = at ? timestampDate(at).toISOString().slice(0, 19) : "";
  return toParams({
    customer: request.customerId,
    channel: request.channel,
    groups: request.groups.join(","),
    most: request.maxActions > 1 ? String(request.maxActions) : "",
    context: request.context,
    at: iso,
    of: of ?? "",
    consents: {},
  });
}

export function toParams(asked: Asked): URLSearchParams {
  const params = new URLSearchParams();
  const { customer, channel, groups, most, at, of } = asked;
  for (const [name, value] of Object.entries({ customer, channel, groups, most, at, of })) if (value) params.set(name, value);
  for (const name of Object.keys(asked.context).sort()) {
    const value = asked.context[name];
    if (value) params.set(CONTEXT + name, toLink(value));
  }
  for (const purpose of Object.keys(asked.consents).sort()) params.set(CONSENT + purpose, asked.consents[purpose] ?? "");
  return params;
}

export function fromParams(params: URLSearchParams): Asked {
  const context: Given = {};
  for (const [name, coded] of params) {
    const value = name.startsWith(CONTEXT) ? fromLink(coded) : undefined;
    if (value) context[name.slice(CONTEXT.length)] = value;
  }
  const supposed = [...params].filter(([name, word]) => name.startsWith(CONSENT) && word in SUPPOSED);
  const consents = Object.fromEntries(supposed.map(([name, word]) => [name.slice(CONSENT.length), word]));
  const get = (name: string) => params.get(name) ?? "";
  return { customer: get("customer"), channel: get("channel"), groups: get("groups"), most: get("most"), at: get("at"), of: get("of"), context, consents };
}

export function toRequest(asked: Asked, explain: ExplainLevel): DecideRequest {
  return create(DecideRequestSchema, {
    customerId: asked.customer,
    channel: asked.channel,
    groups: asked.groups.split(",").map((group) => group.trim()).filter(Boolean),
    maxActions: Number(asked.most) || 0,
    context: asked.context,
    explain,
  });
}

export const atMoment = (asked: Asked) => fromInput(asked.at);
export const toConsents = (asked: Asked) => Object.entries(asked.consents).map(([purpose, word]) => create(ConsentChangeSchema, { purpose, status: SUPPOSED[word] ?? ConsentStatus.UNSPECIFIED }));
