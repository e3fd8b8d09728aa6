// Who reads the page, and which rules are in force: asked once and shared by all screens.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { GetRuleSetResponse } from "./gen/tactful/v1/rules_pb";

export type Scope = "decide" | "outcomes" | "events" | "consent" | "withdraw" | "read" | "simulate" | "privacy" | "rules" | "admin" | "watch" | "metrics";

export interface Session {
  /** Whether the token allows what a scope names. */
  may: (scope: Scope) => boolean;
  /** The rules in force, if the token may see them. */
  rules: GetRuleSetResponse | undefined;
  /** The caller's name, if callers are known. */
  name: string;
}

export const SessionContext = createContext<Session>({ may: () => true, rules: undefined, name: "" });
export const useSession = () => useContext(SessionContext);
