// The rules in force and what the files on disk say; drafts are checked while typing.
import { useMemo, useState } from "preact/hooks";
import { failure, rules as ruleCalls, type Failure } from "../api";
import { useCall } from "../call";
import { Drafts, type Draft } from "../drafts";
import { gateName } from "../decision";
import { count, counted, percent } from "../format";
import { ReloadOutcome, Severity, type DeclaredFact, type GetRuleSetResponse } from "../gen/tactful/v1/rules_pb";
import { inAll, scored, tallyOf, useSaid, won, type Said } from "../past";
import { amend, useRoute } from "../route";
import { useSession } from "../session";
import { At, Badge, Busy, Diagnostics, Empty, Facts, Refused } from "../ui";
import { typeName } from "../values";
import { Windowed } from "../windowed";

export function Rules() {
  const called = useCall("rule set", (signal) => ruleCalls.getRuleSet({}, { signal }));
  const { may } = useSession();
  if (called.failed) return <Refused failed={called.failed} />;
  const rules = called.value;
  if (!rules) return <Busy />;
  const errors = rules.diagnostics.filter((one) => one.severity === Severity.ERROR).length;
  return (
    <>
      <h1>Rules</h1>
      <p class="lead">{rules.status.charAt(0).toUpperCase() + rules.status.slice(1)}</p>
      <Facts
        rows={[
          ["Rule set", <code class="long">{rules.ruleSet}</code>],
          ["In force", <At at={rules.activeSince} />],
          ["Files read", <At at={rules.lastReadAt} />],
          ["Content", `${counted(rules.actions, "action")}, ${counted(rules.journeys, "journey")}, ${counted(rules.channels.length, "channel")}, ${counted(rules.purposes.length, "purpose")}`],
        ]}
      />
      <Reload onReload={called.again} />
      <section>
        <h2>
          The files on disk{" "}
          {rules.lastReloadFailed ? <Badge tone="bad">refused: {counted(errors, "error")}</Badge> : <Badge tone="good">in force</Badge>}
        </h2>
        <Diagnostics found={rules.diagnostics} />
      </section>
      <Actions rules={rules} />
      <Declared rules={rules} />
      {may("simulate") ? <Check /> : null}
    </>
  );
}

function Reload({ onReload }: { onReload: () => void }) {
  const [told, setTold] = useState("");
  const [failed, setFailed] = useState<Failure>();
  const reload = async () => {
    setFailed(undefined);
    try {
      const { outcome } = await ruleCalls.reloadRules({});
      setTold({ [ReloadOutcome.CHANGED]: "Other rules are in force now.", [ReloadOutcome.UNCHANGED]: "The files are the ones in force.", [ReloadOutcome.REFUSED]: "Refused: the earlier rules stay in force." }[outcome as number] ?? "");
      onReload();
    } catch (error) {
      setFailed(failure(error));
    }
  };
  return (
    <div class="inline">
      <button type="button" onClick={() => void reload()}>
        Read the files again
      </button>
      <p role="status" class="done">
        {told}
      </p>
      {failed ? <Refused failed={failed} /> : null}
    </div>
  );
}

function Actions({ rules }: { rules: GetRuleSetResponse }) {
  const { params } = useRoute();
  const [text, only] = [params.get("find") ?? "", params.get("only") ?? ""];
  const [selected, setSelected] = useState(0);
  const said = useSaid();
  const times = (id: string) => tallyOf(said.value, id).said;
  const isOne: Record<string, (id: string) => boolean> = {
    never: (id) => times(id) === 0,
    "always won": (id) => won(tallyOf(said.value, id)) > 0 && won(tallyOf(said.value, id)) === scored(tallyOf(said.value, id)),
    "never won": (id) => scored(tallyOf(said.value, id)) > 0 && won(tallyOf(said.value, id)) === 0,
  };
  const shown = useMemo(() => {
    const found = rules.actionIds.filter((id) => id.toLowerCase().includes(text.toLowerCase()) && (!isOne[only] || isOne[only](id)));
    return said.value ? found.sort((a, b) => times(b) - times(a)) : found;
  }, [rules, text, only, said.value]);
  const howMany = (only: string) => (said.value ? rules.actionIds.filter((id) => isOne[only]?.(id)).length : 0);
  const most = Math.max(1, ...[...(said.value?.actions.values() ?? [])].map((tally) => tally.said));
  const index = Math.min(selected, shown.length - 1);
  const chosen = shown[index];
  const chip = (name: string, label = name) => (
    <button type="button" class="chip" aria-pressed={only === name} onClick={() => amend({ only: only === name ? "" : name })}>
      {label} <span>{count(howMany(name))}</span>
    </button>
  );
  return (
    <section>
      <h2>
        Actions <span class="quiet">{count(rules.actionIds.length)}</span>
      </h2>
      {said.failed ? <Refused failed={said.failed} /> : null}
      {said.value ? <p>{inAll(said.value)}</p> : null}
      <div class="inline">
        <input class="filter" type="search" aria-label="Find an action" placeholder="Find an action" value={text} onInput={(event) => amend({ find: event.currentTarget.value })} />
        {said.value?.of ? chip("never", "never said") : null}
        {said.value?.sampled ? (
          <>
            {chip("never won")}
            {chip("always won")}
          </>
        ) : null}
      </div>
      {said.value?.sampled ? <p class="quiet">Won and lost are counted in {counted(said.value.sampled, "sampled decision")}, where the action had a score.</p> : null}
      {shown.length ? (
        <Windowed items={shown} row={34} label="Actions" selected={index} onSelect={setSelected}>
          {(id) => (
            <div class="said">
              <span class="name" title={id}>
                {id}
              </span>
              {said.value ? (
                <>
                  <span class="bar gain" aria-hidden="true">
                    <span style={{ width: `${(100 * times(id)) / most}%` }} />
                  </span>
                  <span class="number">{count(times(id))}</span>
                </>
              ) : null}
            </div>
          )}
        </Windowed>
      ) : (
        <Empty>No action matches.</Empty>
      )}
      {chosen && said.value ? <TallyView id={chosen} said={said.value} /> : null}
    </section>
  );
}

function TallyView({ id, said }: { id: string; said: Said }) {
  const tally = tallyOf(said, id);
  const { stopped } = tally;
  const gates = [...stopped].sort((a, b) => b[1] - a[1]).map(([gate, times]) => `${gateName(gate)} ${count(times)}`);
  const share = (times: number) => (times ? `${count(times)} (${percent(times, tally.said)})` : "none");
  return (
    <section class="detail" aria-label={`What became of ${id}`} aria-live="polite">
      <h3>{id}</h3>
      <Facts
        rows={[
          ["Said", count(tally.said)],
          ["Presented", share(tally.presented)],
          ["Accepted", share(tally.accepted)],
          ["Rejected", share(tally.rejected)],
          ["Complaints", share(tally.complained)],
          ["Won, where it had a score", scored(tally) ? `${count(won(tally))} of ${count(scored(tally))} (${percent(won(tally), scored(tally))})` : "it had none in the sample"],
          [`Stopped at, in ${counted(said.sampled, "sampled decision")}`, gates.join(", ") || "none"],
        ]}
      />
    </section>
  );
}

const about = (fact: DeclaredFact) => `${typeName(fact)}${fact.oneOf.length ? `: ${fact.oneOf.join(", ")}` : ""}`;

const Declared = ({ rules }: { rules: GetRuleSetResponse }) => (
  <section>
    <h2>Declared</h2>
    <details>
      <summary>Context</summary>
      <Facts rows={rules.context.map((fact) => [fact.name, about(fact)])} />
    </details>
    <details>
      <summary>Attributes</summary>
      <Facts rows={rules.attributes.map((fact) => [fact.name, about(fact)])} />
    </details>
    <details>
      <summary>Events</summary>
      <Facts rows={rules.events.map((event) => [event.type, event.fields.map((fact) => `${fact.name} (${about(fact)})`).join(", ") || "no fields"])} />
    </details>
    <details>
      <summary>Purposes and channels</summary>
      <Facts
        rows={[
          ["Purposes", rules.purposes.join(", ")],
          ["Channels", rules.channels.join(", ")],
        ]}
      />
    </details>
  </section>
);

function Check() {
  const [drafts, setDrafts] = useState<Draft[]>([]);
  const key = useMemo(() => (drafts.length ? `check ${performance.now()}` : ""), [drafts]);
  const checked = useCall(key, async (signal) => {
    // While a person types, only the last state is asked for.
    await new Promise((done) => setTimeout(done, 250));
    signal.throwIfAborted();
    return ruleCalls.checkRules({ files: drafts }, { signal });
  });
  return (
    <section>
      <h2>Check a draft</h2>
      <Drafts drafts={drafts} onChange={setDrafts} found={checked.value?.diagnostics ?? []} />
      {checked.failed ? <Refused failed={checked.failed} /> : null}
      {checked.value ? (
        <>
          <p>{checked.value.ruleSet ? <>These files would run as {<code>{checked.value.ruleSet.slice(0, 16)}</code>}.</> : "These files cannot run yet."}</p>
          <Diagnostics found={checked.value.diagnostics} />
        </>
      ) : null}
    </section>
  );
}
