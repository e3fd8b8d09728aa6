// The playground: the sample rules, a customer's history and a question; the engine itself answers, in the page. Nothing is
// sent anywhere, and the state is the link.
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { DecisionView, sentence } from "../decision";
import { FactFields, type Given } from "../facts";
import { fromInput, moment } from "../format";
import { DecideResponseSchema } from "../gen/tactful/v1/decision_pb";
import { GetRuleSetResponseSchema, Severity, type GetRuleSetResponse } from "../gen/tactful/v1/rules_pb";
import "../styles.css";
import { Badge, CountsFrom, Diagnostics, Input } from "../ui";
import { instantiate, type Engine } from "./engine";
import { fromGiven, fromLink, toGiven, toLink, type State, type Step } from "./state";
import { timestampDate } from "@bufbuild/protobuf/wkt";

const found = import.meta.glob<string>(["../../../rules/**/*.yaml", "../../../rules/notices/*"], { query: "?raw", import: "default", eager: true });
const SAMPLE: Record<string, string> = Object.fromEntries(
  Object.entries(found)
    .filter(([path]) => !path.endsWith(".test.yaml"))
    .map(([path, text]) => [path.replace(/^.*\/rules\//, ""), text]),
);

/** The engine, which the build put into the page; while developing it is fetched. */
async function wasm(): Promise<ArrayBuffer> {
  const packed = document.getElementById("engine")?.textContent;
  if (!packed) return (await fetch("./engine.wasm")).arrayBuffer();
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).arrayBuffer();
}

interface Played {
  error?: string;
  steps?: string[];
  standings?: { purpose: string; usable: boolean }[];
  /** As `tactful decide --json` prints it. */
  decision?: string;
}

function App({ engine, begin }: { engine: Engine; begin: State }) {
  const [state, setState] = useState(begin);
  const [open, setOpen] = useState(Object.keys(SAMPLE)[0] ?? "");
  const change = (changes: Partial<State>) => setState({ ...state, ...changes });
  useEffect(() => {
    let isLast = true;
    void toLink(state).then((link) => isLast && history.replaceState(null, "", link));
    return () => {
      isLast = false;
    };
  }, [state]);
  useEffect(() => {
    const moved = () => void fromLink(location.hash).then(setState);
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const files = useMemo(() => {
    const all: Record<string, string | null> = { ...SAMPLE, ...state.files };
    return Object.entries(all).flatMap(([path, text]) => (text === null ? [] : [{ path, text }]));
  }, [state.files]);
  const rules = useMemo(() => fromJson(GetRuleSetResponseSchema, engine.call({ load: files }) as JsonValue, { ignoreUnknownFields: true }), [files]);
  const errors = rules.diagnostics.filter((one) => one.severity === Severity.ERROR).length;
  const played = useMemo<Played>(() => {
    if (errors) return {};
    const { steps, channel, context, at } = state;
    return engine.call({ ask: { steps, question: { channel, context }, at } }) as Played;
  }, [rules, state]);
  const decision = useMemo(() => (played.decision ? fromJson(DecideResponseSchema, JSON.parse(played.decision) as JsonValue) : undefined), [played]);
  const edit = (path: string, text: string | null) => change({ files: text === SAMPLE[path] ? without(state.files, path) : { ...state.files, [path]: text } });
  const say = () => {
    const { channel, context, at } = state;
    change({ steps: inOrder([...state.steps, { at, what: { decision: { channel, context } } }]), at: new Date(Date.parse(at) + HOUR).toISOString() });
  };
  const edited = files.find((file) => file.path === open) ?? files[0];
  return (
    <>
      <header>
        <span class="brand">Tactful playground</span>
        <span class="quiet">The engine runs in this page. Nothing is sent; the link is the state.</span>
        <button type="button" class="to-end" onClick={() => setState({ ...begin, files: {}, steps: [] })}>
          Start again
        </button>
      </header>
      <main id="main">
        <h1 class="unseen">Playground</h1>
        <div class="playground">
          <div class="asked">
            <History rules={rules} state={state} told={played.steps ?? []} change={change} />
            <section>
              <h2>The question</h2>
              <form class="question" onSubmit={(event) => event.preventDefault()}>
                <Input label="Channel" value={state.channel} onChange={(channel) => change({ channel })} options={rules.channels.length ? rules.channels : [state.channel]} required />
                <FactFields declared={rules.context} given={toGiven(state.context)} onChange={(context) => change({ context: fromGiven(context) })} />
                <Input label="At (UTC)" type="datetime-local" step="1" value={state.at.slice(0, 19)} onChange={(at) => at && change({ at: iso(at) ?? state.at })} />
              </form>
            </section>
          </div>
          <section aria-label="The answer" class="answer">
            {played.error ? <p class="notice bad">{played.error}</p> : null}
            {errors ? <p class="notice">The rules have errors; fix them first.</p> : null}
            {decision ? (
              <>
                <h2>{sentence(decision, "the customer", state.channel)}</h2>
                <p class="actions">
                  {played.standings?.map((one) => (
                    <Badge key={one.purpose} tone={one.usable ? "good" : "bad"}>
                      {one.purpose}: {one.usable ? "may be used" : "may not be used"}
                    </Badge>
                  ))}
                </p>
                {decision.actions.length ? (
                  <p class="actions">
                    <button type="button" onClick={say}>
                      Say it, and ask again an hour later
                    </button>
                  </p>
                ) : null}
                <CountsFrom.Provider value={Date.parse(state.at)}>
                  <DecisionView decision={decision} compact />
                </CountsFrom.Provider>
                <details>
                  <summary>
                    As <code>tactful decide --json</code> prints it
                  </summary>
                  <pre tabIndex={0} role="region" aria-label="The answer as JSON">
                    {played.decision}
                  </pre>
                </details>
              </>
            ) : null}
          </section>
          <section class="rules">
            <h2>
              The rules <Badge tone={errors ? "bad" : "good"}>{errors ? `${errors} errors` : `${rules.actions} actions`}</Badge>
            </h2>
            <ul class="files" aria-label="Files">
              {files.map(({ path }) => (
                <li key={path}>
                  <button type="button" class="chip" aria-pressed={path === edited?.path} onClick={() => setOpen(path)}>
                    {path}
                    {path in state.files ? <span> edited</span> : null}
                  </button>
                </li>
              ))}
            </ul>
            {edited ? (
              <textarea
                class="code"
                rows={22}
                spellcheck={false}
                aria-label={`Text of ${edited.path}`}
                value={edited.text}
                onInput={(event) => edit(edited.path, event.currentTarget.value)}
              />
            ) : null}
            {edited && edited.path in state.files ? (
              <button type="button" onClick={() => change({ files: without(state.files, edited.path) })}>
                As in the sample
              </button>
            ) : null}
            {rules.diagnostics.length ? <Diagnostics found={rules.diagnostics} onPlace={(one) => setOpen(one.file)} /> : null}
          </section>
        </div>
      </main>
    </>
  );
}

const without = <T,>(record: Record<string, T>, name: string): Record<string, T> => Object.fromEntries(Object.entries(record).filter(([known]) => known !== name));
function iso(text: string): string | undefined {
  const at = fromInput(text);
  return at && timestampDate(at).toISOString();
}

const HOUR = 3_600_000;
const inOrder = (steps: Step[]) => steps.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));

interface HistoryProps {
  rules: GetRuleSetResponse;
  state: State;
  told: string[];
  change: (changes: Partial<State>) => void;
}

const STATUSES = ["given", "withdrawn", "refused", "objected", "restricted", "restriction_lifted"];
const OUTCOMES = ["presented", "clicked", "accepted", "rejected", "not_now", "already_done", "dismissed", "complained"];

/** Steps are recorded in order, each by default an hour before the question. */
function History({ rules, state, told, change }: HistoryProps) {
  const [kind, setKind] = useState("a consent");
  const [at, setAt] = useState("");
  const [name, setName] = useState("");
  const [word, setWord] = useState("");
  const [given, setGiven] = useState<Given>({});
  const options = kind === "a consent" ? rules.purposes : kind === "an event" ? rules.events.map((event) => event.type) : kind === "an outcome" ? rules.actionIds : [];
  const words = kind === "a consent" ? STATUSES : kind === "an outcome" ? OUTCOMES : [];
  const chosen = options.includes(name) ? name : (options[0] ?? "");
  const status = words.includes(word) ? word : (words[0] ?? "");
  const when = iso(at) ?? new Date(Date.parse(state.at) - HOUR).toISOString();
  const add = (event: Event) => {
    event.preventDefault();
    const facts = fromGiven(given);
    const what: Step["what"] =
      kind === "a consent"
        ? { consent: { purpose: status.startsWith("restrict") ? "" : chosen, status } }
        : kind === "attributes"
          ? { attributes: facts }
          : kind === "an event"
            ? { event: { type: chosen, fields: facts } }
            : { outcome: { action: chosen, channel: state.channel, outcome: status } };
    change({ steps: inOrder([...state.steps, { at: when, what }]) });
    setGiven({});
  };
  const declared = kind === "attributes" ? rules.attributes : kind === "an event" ? (rules.events.find((event) => event.type === chosen)?.fields ?? []) : [];
  return (
    <section>
      <h2>What happened before</h2>
      {state.steps.length ? (
        <ol class="plain-list">
          {state.steps.map((step, index) => (
            <li key={index}>
              <span class="quiet">{moment(new Date(step.at))}</span> {inWords(step)}{" "}
              {told[index] ? <Badge tone={"decision" in step.what ? "good" : "wait"}>{told[index]}</Badge> : null}{" "}
              <button type="button" class="plain" aria-label={`Remove: ${inWords(step)}`} onClick={() => change({ steps: state.steps.filter((_, other) => other !== index) })}>
                remove
              </button>
            </li>
          ))}
        </ol>
      ) : (
        <p class="quiet">Nothing: the customer is unknown and has agreed to nothing.</p>
      )}
      <form class="question" onSubmit={add} aria-label="Record something">
        <Input label="Record" value={kind} onChange={(kind) => (setKind(kind), setGiven({}))} options={["a consent", "attributes", "an event", "an outcome"]} required />
        {options.length ? <Input label="Of" value={chosen} onChange={(name) => (setName(name), setGiven({}))} options={options} required /> : null}
        {words.length ? <Input label="It is" value={status} onChange={setWord} options={words} required /> : null}
        <FactFields key={`${kind} ${chosen}`} declared={declared} given={given} onChange={setGiven} />
        <Input label="Recorded at (UTC)" type="datetime-local" step="1" value={at} onChange={setAt} hint="an hour before, if empty" />
        <button type="submit" class="primary">
          Record
        </button>
      </form>
    </section>
  );
}

function inWords({ what }: Step): string {
  const facts = (given: Record<string, JsonValue>) =>
    Object.entries(given)
      .map(([name, value]) => `${name} = ${Object.values(value as Record<string, JsonValue>).map(String).join("")}`)
      .join(", ");
  if ("consent" in what) return `${what.consent.purpose || "every purpose"}: ${what.consent.status}`;
  if ("attributes" in what) return facts(what.attributes);
  if ("decision" in what) return `asked on ${what.decision.channel}, and said`;
  if ("event" in what) return `${what.event.type}${Object.keys(what.event.fields).length ? `: ${facts(what.event.fields)}` : ""}`;
  return `${what.outcome.action}: ${what.outcome.outcome}`;
}

const root = document.getElementById("app");
if (root) {
  const [engine, begin] = await Promise.all([wasm().then(instantiate), fromLink(location.hash)]);
  render(<App engine={engine} begin={begin} />, root);
}
