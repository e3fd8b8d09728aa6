// What every entry exports.
export { durationFromMs, timestampDate } from "@bufbuild/protobuf/wkt";
export { Code } from "@connectrpc/connect";
export type { Decision, DecisionReference, Question } from "./decision.js";
export { TactfulError, type FieldViolation } from "./errors.js";
export type { Attributes, Fact, Facts } from "./facts.js";
export { ResultCode } from "./gen/tactful/v1/common_pb.js";
export type { Standing } from "./gen/tactful/v1/consent_pb.js";
export { ExplainLevel, SilenceReason, type NextAction, type RecordResult } from "./gen/tactful/v1/decision_pb.js";
export type { ConnectOptions } from "./options.js";
export type { ConsentSource, CustomerEvent, Denial, Grant, OutcomeDetails, OutcomeName } from "./records.js";
export { Tactful, type AttributeOptions, type CallOptions, type Connections, type DecideOptions, type TactfulOptions } from "./tactful.js";
