// A question, its answer, and the silence that takes the place of an answer that did not come.
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { TactfulError } from "./errors.js";
import { toValues, type Facts } from "./facts.js";
import {
  DecideRequestSchema,
  DecideResponseSchema,
  SilenceReason,
  type DecideRequest,
  type DecideResponse,
  type ExplainLevel,
  type NextAction,
} from "./gen/tactful/v1/decision_pb.js";

/** What is the next step for one customer, on one channel, now? */
export interface Question {
  readonly customerId: string;
  /** Where the conversation is: a channel of the rules. */
  readonly channel: string;
  /** Facts of this moment, by the names declared under `context`. */
  readonly context?: Facts | undefined;
  /** Your id of this question; a random one if left out. The same id returns the same decision, and counts once. */
  readonly requestId?: string | undefined;
  /** The most steps you can show; 1 if left out. */
  readonly maxActions?: number | undefined;
  /** Only actions of these groups. */
  readonly groups?: readonly string[] | undefined;
  readonly explain?: ExplainLevel | undefined;
  /** Decides, but reserves, counts and records nothing. */
  readonly validateOnly?: boolean | undefined;
}

/** The answer: steps, or silence; and what their outcomes need. */
export type Decision = DecideResponse & {
  readonly customerId: string;
  readonly requestId: string;
  /** True if this client answers, with silence, because the server did not: nothing was decided or counted. */
  readonly local: boolean;
  /** Why the server did not answer; only if `local`. */
  readonly error?: TactfulError;
};

/** What names the step of an outcome: a decision, or what you kept of it. */
export interface DecisionReference {
  readonly decisionId: string;
  readonly customerId: string;
  readonly actions?: readonly Pick<NextAction, "actionId">[];
}

/**
 * The request of a question.
 *
 * @throws if a value cannot be sent: that is a mistake of the caller, which must not end as silence
 */
export function toRequest(question: Question, requestId: string): DecideRequest {
  const { customerId, channel, context = {}, maxActions = 0, groups = [], explain = 0, validateOnly = false } = question;
  const values = { customerId, channel, requestId, context: toValues(context), maxActions, groups: [...groups], explain, validateOnly };
  const request = create(DecideRequestSchema, values);
  toBinary(DecideRequestSchema, request);
  return request;
}

/** The answer that needs no server. */
export function localSilence(error: TactfulError, timeoutMs: number): DecideResponse {
  const [reason, detail] = reasonOf(error, timeoutMs);
  const again = error.retryDelayMs;
  return create(DecideResponseSchema, {
    silence: { reason, detail, ...(again !== undefined && { retryAfter: timestampFromMs(Date.now() + again) }) },
  });
}

function reasonOf(error: TactfulError, timeoutMs: number): [SilenceReason, string] {
  switch (error.code) {
    case Code.DeadlineExceeded:
      return [SilenceReason.TOO_LATE, `the server did not answer in ${timeoutMs} ms`];
    case Code.ResourceExhausted:
      return [SilenceReason.OVERLOADED, `the server is too busy: ${error.message}`];
    default:
      return [SilenceReason.UNAVAILABLE, `the server cannot answer: ${error.message}`];
  }
}
