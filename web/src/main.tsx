import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { callers, rules as ruleCalls, token, type Failure } from "./api";
import { refusals, useCall } from "./call";
import { go, link, useRoute } from "./route";
import { Consent } from "./screens/consent";
import { Customer } from "./screens/customer";
import { HealthScreen } from "./screens/health";
import { Home } from "./screens/home";
import { Live } from "./screens/live";
import { Rules } from "./screens/rules";
import { WhatIf } from "./screens/what-if";
import { Why } from "./screens/why";
import { session as sessionOf, SessionContext, type Scope } from "./session";
import "./styles.css";
import { Busy, Refused } from "./ui";

interface Screen {
  title: string;
  needs: Scope[];
  view: () => preact.JSX.Element | null;
}

const SCREENS: Record<string, Screen> = {
  why: { title: "Why", needs: ["read"], view: Why },
  customer: { title: "Customer", needs: ["read"], view: Customer },
  "what-if": { title: "What-if", needs: ["simulate"], view: WhatIf },
  rules: { title: "Rules", needs: ["rules"], view: Rules },
  consent: { title: "Consent", needs: ["read"], view: Consent },
  live: { title: "Live", needs: ["watch"], view: Live },
  health: { title: "Health", needs: [], view: HealthScreen },
};

const DECISION = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function LookUp() {
  const [text, setText] = useState("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const keyed = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.closest("input, textarea, select");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        input.current?.focus();
      }
    };
    addEventListener("keydown", keyed);
    return () => removeEventListener("keydown", keyed);
  }, []);
  const find = (event: Event) => {
    event.preventDefault();
    const wanted = text.trim();
    if (wanted) go(link(DECISION.test(wanted) ? "why" : "customer", wanted));
  };
  return (
    <form role="search" class="look-up" onSubmit={find}>
      <input
        ref={input}
        type="search"
        placeholder="Customer or decision id ( / )"
        aria-label="Customer or decision id"
        value={text}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit">Look up</button>
    </form>
  );
}

function TokenForm({ failed, onToken }: { failed: Failure; onToken: () => void }) {
  const [text, setText] = useState("");
  const save = (event: Event) => {
    event.preventDefault();
    token.set(text.trim());
    onToken();
  };
  return (
    <section class="narrow">
      <h1>A token, please</h1>
      <p>
        This server knows its callers. The token stays in this tab and is sent to this server alone; what you can see here is what its
        scopes allow.
      </p>
      {token.get() ? <Refused failed={failed} /> : null}
      <form onSubmit={save}>
        <div class="field wide">
          <label for="token">Token</label>
          <input id="token" type="password" autocomplete="off" value={text} onInput={(event) => setText(event.currentTarget.value)} required autofocus />
        </div>
        <button type="submit" class="primary">
          Use this token
        </button>
      </form>
    </section>
  );
}

function App() {
  const route = useRoute();
  const [refused, setRefused] = useState<Failure>();
  const [round, setRound] = useState(0);
  const main = useRef<HTMLElement>(null);
  refusals.tokenNeeded = setRefused;
  const caller = useCall(`caller ${round}`, (signal) => callers.getCaller({}, { signal }));
  const mayRules = sessionOf(caller.value, undefined).may("rules");
  // Without a token, both are asked at once: whoever may do anything may see the rules.
  const inForce = useCall(mayRules || !token.get() ? `rules ${round}` : "", (signal) => ruleCalls.getRuleSet({}, { signal }));
  const session = useMemo(() => sessionOf(caller.value, inForce.value), [caller.value, inForce.value]);
  const shown = SCREENS[route.screen];
  const allowed = (screen: Screen) => screen.needs.every(session.may);
  useEffect(() => {
    const about = route.subject ? `${route.subject} · ` : "";
    document.title = shown ? `${about}${shown.title} · Tactful` : "Tactful";
  }, [route.screen, route.subject]);
  const forget = () => {
    token.set("");
    setRound(round + 1);
  };
  let content;
  if (refused) {
    content = <TokenForm failed={refused} onToken={() => (setRefused(undefined), setRound(round + 1))} />;
  } else if (caller.failed) {
    content = <Refused failed={caller.failed} />;
  } else if (!caller.value || inForce.busy) {
    content = <Busy />;
  } else if (shown && allowed(shown)) {
    const View = shown.view;
    content = <View key={`${route.screen}/${route.subject}`} />;
  } else {
    content = <Home screens={Object.entries(SCREENS).filter(([, screen]) => allowed(screen)).map(([name, { title }]) => ({ name, title }))} />;
  }
  return (
    <SessionContext.Provider value={session}>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to the content
      </a>
      <header>
        <a class="brand" href="#/">
          <img src="./icon.svg" alt="" width="24" height="24" />
          Tactful
        </a>
        <nav aria-label="Screens">
          {Object.entries(SCREENS)
            .filter(([, screen]) => !refused && caller.value && allowed(screen))
            .map(([name, { title }]) => (
              <a key={name} href={link(name)} aria-current={route.screen === name ? "page" : undefined}>
                {title}
              </a>
            ))}
        </nav>
        {!refused && session.may("read") ? <LookUp /> : null}
        {token.get() && !refused ? (
          <button type="button" onClick={forget}>
            Forget the token
          </button>
        ) : null}
      </header>
      <main id="main" ref={main} tabIndex={-1} key={round}>
        {content}
      </main>
    </SessionContext.Provider>
  );
}

const root = document.getElementById("app");
if (root) render(<App />, root);
