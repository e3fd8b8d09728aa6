// Calls of the public API. Unary calls are Connect with JSON; streams and health are gRPC-Web.
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Health } from "./gen/grpc/health/v1/health_pb";
import { AdminService } from "./gen/tactful/v1/admin_pb";
import { CallerService } from "./gen/tactful/v1/caller_pb";
import { ConsentService } from "./gen/tactful/v1/consent_pb";
import { DecisionService } from "./gen/tactful/v1/decision_pb";
import { JourneyService } from "./gen/tactful/v1/journey_pb";
import { RuleService } from "./gen/tactful/v1/rules_pb";

const KEY = "tactful.token";

/** The token of this tab; it ends with the tab. */
export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value: string) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

const authorized: Interceptor = (next) => (request) => {
  const known = token.get();
  if (known) request.header.set("authorization", `Bearer ${known}`);
  return next(request);
};

const settings = { baseUrl: location.origin, interceptors: [authorized], defaultTimeoutMs: 30_000 };
const unary = createConnectTransport({ ...settings, useBinaryFormat: false });
const streams = createGrpcWebTransport({ ...settings, defaultTimeoutMs: undefined });

export const decisions = createClient(DecisionService, unary);
export const journeys = createClient(JourneyService, unary);
export const consents = createClient(ConsentService, unary);
export const rules = createClient(RuleService, unary);
export const callers = createClient(CallerService, unary);
export const admin = createClient(AdminService, unary);
export const live = createClient(DecisionService, streams);
export const health = createClient(Health, streams);

/** Why a call failed, for a person. */
export interface Failure {
  /** The stable reason, such as `SCOPE_MISSING`, if there is one. */
  reason: string;
  code: Code;
  message: string;
}

interface Debug {
  reason?: string;
}

export function failure(error: unknown): Failure {
  const known = ConnectError.from(error);
  const infos = known.details.map((detail) => ("debug" in detail ? (detail.debug as Debug | undefined) : undefined));
  const reason = infos.find((info) => info?.reason)?.reason ?? "";
  const unreachable = known.code === Code.Unknown || known.rawMessage === "Failed to fetch";
  const message = unreachable && !reason ? "the server does not answer" : known.rawMessage || Code[known.code].toLowerCase();
  return { reason, code: known.code, message };
}

/** Whether the call needs a token, or another one. */
export const needsToken = (failed: Failure) => failed.code === Code.Unauthenticated;
export const isAbort = (error: unknown) => ConnectError.from(error).code === Code.Canceled;
