// Who reads the page, and which rules are in force: asked once and shared by all screens.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { GetCallerResponse } from "./gen/tactful/v1/caller_pb";
import { Scope as Known } from "./gen/tactful/v1/options_pb";
import type { GetRuleSetResponse } from "./gen/tactful/v1/rules_pb";

export type Scope = "decide" | "outcomes" | "events" | "consent" | "withdraw" | "read" | "simulate" | "privacy" | "rules" | "admin" | "watch" | "metrics";

export interface Session {
  /** Whether the token allows what a scope names. */
  may: (scope: Scope) => boolean;
  /** The rules in force, if the token may see them. */
  rules: GetRuleSetResponse | undefined;
  /** The only channels that the token may name; any if empty. */
  channels: string[];
}

export function session(caller: GetCallerResponse | undefined, rules: GetRuleSetResponse | undefined): Session {
  const scopes = new Set(caller?.scopes.map((scope) => Known[scope]?.toLowerCase()));
  return { may: (scope) => scopes.has(scope), rules, channels: caller?.channels ?? [] };
}

export const SessionContext = createContext<Session>(session(undefined, undefined));
export const useSession = () => useContext(SessionContext);
