// What is recorded about a customer: outcomes, events and consents, as values and as messages.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { DecisionReference } from "./decision.js";
import { refusal, TactfulError } from "./errors.js";
import { moment, toValues, type Facts } from "./facts.js";
import { Outcome } from "./gen/tactful/v1/common_pb.js";
import {
  ConsentStatus,
  type ConsentResult,
  type RecordConsentRequestSchema,
  type Standing,
  type WithdrawConsentRequestSchema,
} from "./gen/tactful/v1/consent_pb.js";
import type { OutcomeRecordSchema, RecordResult } from "./gen/tactful/v1/decision_pb.js";
import type { EventSchema } from "./gen/tactful/v1/journey_pb.js";

/** An outcome, by its name in the protocol. */
export type OutcomeName =
  | "presented"
  | "clicked"
  | "accepted"
  | "rejected"
  | "not_now"
  | "already_done"
  | "dismissed"
  | "complained"
  | "not_presented";

/** What else is known about an outcome. */
export interface OutcomeDetails {
  /** The step; needed if the decision has more than one. */
  readonly actionId?: string | undefined;
  /** Your id of the outcome; made of decision, step and outcome if left out, so that a repetition counts once. */
  readonly outcomeId?: string | undefined;
  /** When it happened; now if left out. */
  readonly occurredAt?: Date | undefined;
}

/** Something that a customer did, or that happened to them. */
export interface CustomerEvent {
  readonly customerId: string;
  /** What happened: an event of the rules, such as `page_view`. */
  readonly type: string;
  readonly channel?: string | undefined;
  /** Details, by the names declared for the event. */
  readonly fields?: Facts | undefined;
  /** Your id of the event; a random one if left out. A repetition counts once. */
  readonly eventId?: string | undefined;
  /** When it happened; now if left out. */
  readonly occurredAt?: Date | undefined;
}

/** Where a change of consent comes from, as evidence. */
export interface ConsentSource {
  /** A channel, or another name of the place. */
  readonly channel?: string | undefined;
  /** The proof: the id of a form, a recording or a letter. */
  readonly evidence?: string | undefined;
  /** Who acted, if not the customer. */
  readonly actor?: string | undefined;
}

/** A customer's yes to one purpose. */
export interface Grant extends ConsentSource {
  readonly customerId: string;
  readonly purpose: string;
  /** The text that the customer was shown: its path in the rule files or its hash. */
  readonly notice?: string | undefined;
  /** The language it was shown in, such as `de-AT`. */
  readonly language?: string | undefined;
  /** How the customer expressed it, such as `ticked a box`. */
  readonly expression?: string | undefined;
  /** The end of the yes, exclusive. */
  readonly validUntil?: Date | undefined;
  /** Your id of this yes; a random one if left out. A repetition counts once. */
  readonly idempotencyKey?: string | undefined;
}

/** A customer's no. */
export interface Denial extends ConsentSource {
  readonly customerId: string;
  /** The purposes; every one that can be denied if left out. */
  readonly purposes?: readonly string[] | undefined;
  /** What the customer did; `withdrawn` if left out. `restricted` concerns every purpose, and names none. */
  readonly status?: "withdrawn" | "refused" | "objected" | "restricted" | undefined;
}

/** An id that no other call has; `crypto.randomUUID` is missing on pages without TLS. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function toOutcomeRecord(
  decision: DecisionReference,
  outcome: OutcomeName,
  details: OutcomeDetails,
): MessageInitShape<typeof OutcomeRecordSchema> {
  const { decisionId, customerId } = decision;
  const actionId = details.actionId ?? onlyAction(decision);
  if (!decisionId) throw new TypeError("the decision has no id: nothing was recorded of it");
  const { outcomeId = `${decisionId}/${actionId}/${outcome}`, occurredAt } = details;
  return { outcomeId, decisionId, customerId, actionId, outcome: toOutcome(outcome), ...(occurredAt && { occurredAt: moment("occurredAt", occurredAt) }) };
}

function onlyAction({ actions = [] }: DecisionReference): string {
  const [action, ...others] = actions;
  if (!action) throw new TypeError("the decision has no step: give `actionId`, or record nothing for a silence");
  if (others.length > 0) throw new TypeError(`the decision has ${actions.length} steps: say which with \`actionId\``);
  return action.actionId;
}

function toOutcome(name: OutcomeName): Outcome {
  const outcome = Outcome[name.toUpperCase() as keyof typeof Outcome];
  if (!outcome) throw new TypeError(`\`${name}\` is not an outcome`);
  return outcome;
}

export function toEvent(event: CustomerEvent): MessageInitShape<typeof EventSchema> {
  const { customerId, type, channel = "", fields = {}, eventId = randomId(), occurredAt } = event;
  return { eventId, customerId, type, channel, fields: toValues(fields), ...(occurredAt && { occurredAt: moment("occurredAt", occurredAt) }) };
}

export function toGrantRequest(grant: Grant): MessageInitShape<typeof RecordConsentRequestSchema> {
  const { customerId, purpose, notice = "", language = "", expression = "", validUntil, idempotencyKey = randomId() } = grant;
  const until = validUntil && { validUntil: moment("validUntil", validUntil) };
  const change = { purpose, status: ConsentStatus.GIVEN, notice, language, expression, ...until };
  return { customerId, changes: [change], idempotencyKey, source: toSource(grant) };
}

const DENIALS = {
  withdrawn: ConsentStatus.WITHDRAWN,
  refused: ConsentStatus.REFUSED,
  objected: ConsentStatus.OBJECTED,
  restricted: ConsentStatus.RESTRICTED,
} as const;

export function toDenialRequest(denial: Denial): MessageInitShape<typeof WithdrawConsentRequestSchema> {
  const { customerId, purposes = [], status = "withdrawn" } = denial;
  return { customerId, purposes: [...purposes], status: DENIALS[status], source: toSource(denial) };
}

function toSource({ channel = "", evidence = "", actor = "" }: ConsentSource) {
  return { channel, evidence, actor };
}

/** The one result of an outcome or an event. A mistake is an error; what the customer has not allowed is none. */
export function recordedOne([result]: readonly RecordResult[]): RecordResult {
  if (!result) throw new TactfulError("the answer has no result", Code.Internal);
  const error = refusal(result);
  if (error) throw error;
  return result;
}

/** The standings after changes of consent. A refused change is an error, whatever its reason. */
export function recordedConsents(results: readonly ConsentResult[]): Standing[] {
  return results.map((result) => {
    const error = result.accepted ? undefined : refusal(result, Code.FailedPrecondition);
    if (error || !result.standing) throw error ?? new TactfulError("the answer has no standing", Code.Internal);
    return result.standing;
  });
}
