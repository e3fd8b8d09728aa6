// The scenario of examples/ through the client: the answers are those of scenario.json.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { fromJson, toJson, type DescMessage, type JsonValue, type MessageShape } from "@bufbuild/protobuf";
import { Code, connect, type Facts, type OutcomeName, type Tactful } from "@tactful/client";
import {
  DecideRequestSchema,
  DecideResponseSchema,
  Outcome,
  RecordConsentRequestSchema,
  RecordEventsRequestSchema,
  RecordOutcomesRequestSchema,
  RecordResultSchema,
  SetAttributesRequestSchema,
  StandingSchema,
  WithdrawConsentRequestSchema,
  type Value,
} from "@tactful/client/proto";
import { PATIENCE, SCENARIO, startServer } from "./support.js";

interface Step {
  call: string;
  request: JsonValue;
  expect?: Record<string, unknown>;
  error?: string;
  keep?: string;
}

/** How each call of the scenario is made with the client, and its answer as JSON. */
const CALLS: Record<string, (tactful: Tactful, request: JsonValue) => Promise<unknown>> = {
  "DecisionService/Decide": async (tactful, json) => {
    const { customerId, channel, context } = fromJson(DecideRequestSchema, json);
    return shown(DecideResponseSchema, await tactful.decide({ customerId, channel, context: plain(context) }));
  },
  "DecisionService/RecordOutcomes": async (tactful, json) => {
    const [item] = fromJson(RecordOutcomesRequestSchema, json).outcomes;
    assert(item);
    const { outcomeId, actionId } = item;
    const name = Outcome[item.outcome]?.toLowerCase() as OutcomeName;
    return { results: [shown(RecordResultSchema, await tactful.recordOutcome(item, name, { outcomeId, actionId }))] };
  },
  "JourneyService/RecordEvents": async (tactful, json) => {
    const [event] = fromJson(RecordEventsRequestSchema, json).events;
    assert(event);
    const { eventId, customerId, type, fields } = event;
    return { results: [shown(RecordResultSchema, await tactful.recordEvent({ eventId, customerId, type, fields: plain(fields) }))] };
  },
  "JourneyService/SetAttributes": async (tactful, json) => {
    const { customerId, attributes } = fromJson(SetAttributesRequestSchema, json);
    return tactful.setAttributes(customerId, plain(attributes));
  },
  "ConsentService/RecordConsent": async (tactful, json) => {
    const { customerId, changes, source } = fromJson(RecordConsentRequestSchema, json);
    const purpose = changes[0]?.purpose ?? "";
    const standing = await tactful.giveConsent({ customerId, purpose, evidence: source?.evidence });
    return { results: [{ accepted: true, standing: shown(StandingSchema, standing) }] };
  },
  "ConsentService/WithdrawConsent": async (tactful, json) => {
    const { customerId, purposes } = fromJson(WithdrawConsentRequestSchema, json);
    const standings = await tactful.withdrawConsent({ customerId, purposes });
    return { results: standings.map((standing) => ({ accepted: true, standing: shown(StandingSchema, standing) })) };
  },
};

const server = await startServer({ after });

test("the scenario has the same answers as with every other client", async () => {
  const tactful = connect(server.url, PATIENCE);
  const steps = JSON.parse(readFileSync(SCENARIO, "utf8")) as Step[];
  assert(steps.length > 0);
  let kept = "";
  for (const { call, request, expect = {}, error = "OK", keep } of steps) {
    const json = JSON.parse(JSON.stringify(request).replaceAll("CUSTOMER", "anna").replaceAll("KEPT", kept)) as JsonValue;
    const made = CALLS[call];
    assert(made, `the test does not know ${call}`);
    let code = "OK";
    let answer: unknown;
    try {
      answer = await made(tactful, json);
    } catch (caught) {
      code = codeName((caught as { code?: Code }).code);
    }
    assert.equal(code, error, call);
    for (const [path, wanted] of Object.entries(expect)) assert.equal(at(answer, path), wanted, `${call} ${path}`);
    if (keep) kept = String(at(answer, keep));
  }
  tactful.close();
});

function shown<S extends DescMessage>(schema: S, message: MessageShape<S>): JsonValue {
  return toJson(schema, message, { alwaysEmitImplicit: true });
}

/** Values of the protocol as plain values: the other direction is what is tested. */
function plain(values: Record<string, Value>): Facts {
  const facts = Object.entries(values).map(([name, { kind }]) => [name, kind.value]);
  return Object.fromEntries(facts) as Facts;
}

function at(answer: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], answer);
}

function codeName(code: Code | undefined): string {
  return (code === undefined ? "no code" : Code[code]).replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}

