// The agent card: one sentence, one reason, three buttons; or nothing to push. It is embedded in an agent's desktop.
//
// The question is in the link: `card.html#customer=anna&channel=phone&topic=speed`. Where callers are known, the page that
// embeds it sends the token, and may send another question: `frame.contentWindow.postMessage({tactful: {token, customer,
// channel, context}}, origin)`. The server's policy says which pages may embed it.
import "./card.css";

interface Question {
  customer: string;
  channel: string;
  context: Record<string, string | number | boolean>;
}
interface Step {
  actionId: string;
  title?: string;
  text?: string;
  because?: string[];
}
interface Answer {
  decisionId?: string;
  actions?: Step[];
  silence?: { detail?: string };
}

/** An agent does not wait longer. */
const PATIENCE = 2_000;
const BUTTONS = [
  ["said", "OUTCOME_PRESENTED", "Noted: said."],
  ["not now", "OUTCOME_NOT_NOW", "Noted: not now."],
  ["wrong", "OUTCOME_NOT_PRESENTED", "Noted: it was not said, and does not count."],
] as const;

const card = document.getElementById("card") as HTMLElement;
let token = sessionStorage.getItem("tactful.token") ?? "";
let asked: Question = fromHash();
let round = 0;

function fromHash(): Question {
  const { customer = "", channel = "", ...context } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  return { customer, channel, context };
}

async function call<T>(method: string, body: unknown): Promise<T> {
  const headers: Record<string, string> = { "content-type": "application/json", "connect-protocol-version": "1", "connect-timeout-ms": String(PATIENCE) };
  if (token) headers["authorization"] = `Bearer ${token}`;
  const signal = AbortSignal.timeout(PATIENCE);
  const response = await fetch(`/tactful.v1.DecisionService/${method}`, { method: "POST", headers, body: JSON.stringify(body), signal });
  const answer = (await response.json()) as T & { message?: string };
  if (!response.ok) throw new Error(answer.message ?? "the server refused");
  return answer;
}

function fact(value: string | number | boolean): unknown {
  if (typeof value === "boolean" || value === "true" || value === "false") return { flag: String(value) === "true" };
  return typeof value === "number" ? { number: value } : { text: value };
}

function element<K extends keyof HTMLElementTagNameMap>(name: K, text: string, kind = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function button(text: string, act: () => void): HTMLButtonElement {
  const made = element("button", text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function listen(why: string): void {
  card.replaceChildren(element("h1", "Nothing to push: listen."), ...(why ? [element("p", why, "quiet")] : []), button("ask again", () => void ask()));
}

function show(answer: Answer): void {
  const step = answer.actions?.[0];
  if (!step) return listen(answer.silence?.detail ?? "");
  const reason = step.because?.[0];
  const buttons = element("div", "", "buttons");
  for (const [label, outcome, noted] of BUTTONS) buttons.append(button(label, () => void record(answer, step, outcome, noted)));
  card.replaceChildren(element("h1", step.text || step.title || step.actionId), ...(reason ? [element("p", `Because ${reason}.`, "quiet")] : []), buttons);
}

async function record(answer: Answer, step: Step, outcome: string, noted: string): Promise<void> {
  for (const one of card.querySelectorAll("button")) one.disabled = true;
  const given = { outcomeId: `${answer.decisionId}/${step.actionId}/${outcome}`, decisionId: answer.decisionId, customerId: asked.customer, actionId: step.actionId, outcome };
  let told: string = noted;
  try {
    const { results } = await call<{ results?: { accepted?: boolean; reason?: string }[] }>("RecordOutcomes", { outcomes: [given] });
    if (!results?.[0]?.accepted) told = `Not noted: ${results?.[0]?.reason ?? "refused"}`;
  } catch (error) {
    told = `Not noted: ${error instanceof Error ? error.message : "no answer"}`;
  }
  const next = button("next", () => void ask());
  card.replaceChildren(element("p", told), next);
  next.focus();
}

async function ask(): Promise<void> {
  const mine = ++round;
  if (!asked.customer || !asked.channel) return listen("The link names no customer or no channel.");
  const context = Object.fromEntries(Object.entries(asked.context).map(([name, value]) => [name, fact(value)]));
  card.setAttribute("aria-busy", "true");
  try {
    const answer = await call<Answer>("Decide", { customerId: asked.customer, channel: asked.channel, context, fallback: "FALLBACK_SILENCE" });
    if (mine === round) show(answer);
  } catch (error) {
    if (mine === round) listen(error instanceof Error && error.name !== "TimeoutError" ? error.message : "There is no answer in time.");
  } finally {
    card.removeAttribute("aria-busy");
  }
}

addEventListener("message", (event: MessageEvent<unknown>) => {
  if (event.source !== parent || parent === window) return;
  const told = (event.data as { tactful?: Partial<Question> & { token?: string } } | null)?.tactful;
  if (!told) return;
  token = told.token ?? token;
  asked = { customer: told.customer ?? asked.customer, channel: told.channel ?? asked.channel, context: told.context ?? asked.context };
  void ask();
});
addEventListener("hashchange", () => {
  asked = fromHash();
  void ask();
});

// Where a token is needed, the embedding page sends it when it hears that the card is there.
if (parent !== window) parent.postMessage({ tactful: "ready" }, "*");
if (asked.customer && (token || parent === window || !new URLSearchParams(location.search).has("wait"))) void ask();
else listen("");
