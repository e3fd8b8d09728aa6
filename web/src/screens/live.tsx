// Decisions as they are made. The newest 10,000 are kept in the page; only the rows in sight are drawn.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { failure, isAbort, live, type Failure } from "../api";
import { clock, count, percent, said } from "../format";
import type { GetDecisionResponse } from "../gen/tactful/v1/decision_pb";
import { amend, go, link, useRoute } from "../route";
import { useSession } from "../session";
import { Badge, Empty, Input, Refused } from "../ui";
import { Windowed } from "../windowed";

const MOST = 10_000;
/** How often the page takes in what arrived. */
const TICK = 200;
const AGAIN = 2_000;

export function Live() {
  const { rules, may } = useSession();
  const { params } = useRoute();
  const get = (name: string) => params.get(name) ?? "";
  const [customer, channel, find, kind] = [get("customer"), get("channel"), get("find"), get("only")];
  const [paused, setPaused] = useState(false);
  const [rows, setRows] = useState<GetDecisionResponse[]>([]);
  const [selected, setSelected] = useState(-1);
  const { arrived, missed, failed, open } = useFeed(customer, channel);
  const pausedNow = useRef(paused);
  pausedNow.current = paused;
  useEffect(() => {
    setRows([]);
    const timer = setInterval(() => {
      if (pausedNow.current || arrived.current.length === 0) return;
      const fresh = arrived.current.reverse();
      arrived.current = [];
      setRows((before) => [...fresh, ...before].slice(0, MOST));
      setSelected((before) => (before < 0 ? before : Math.min(MOST - 1, before + fresh.length)));
    }, TICK);
    return () => clearInterval(timer);
  }, [customer, channel]);
  const silent = useMemo(() => rows.filter((row) => row.decision?.silence).length, [rows]);
  const shown = useMemo(() => {
    const wanted = find.toLowerCase();
    const matches = (row: GetDecisionResponse) => {
      const isSilent = row.decision?.silence !== undefined;
      if (kind && (kind === "silences") !== isSilent) return false;
      return !wanted || `${row.request?.customerId} ${said(row.decision)}`.toLowerCase().includes(wanted);
    };
    return find || kind ? rows.filter(matches) : rows;
  }, [rows, find, kind]);
  const openRow = (index: number) => {
    const row = shown[index];
    const id = row?.decision?.decisionId;
    if (!row || !id || !may("read")) return;
    go(link("why", id));
  };
  return (
    <>
      <h1>Live</h1>
      <form class="question" onSubmit={(event) => event.preventDefault()} aria-label="Filters">
        <Input label="Customer" value={customer} onChange={(customer) => amend({ customer })} />
        <Input label="Channel" value={channel} onChange={(channel) => amend({ channel })} options={rules?.channels} />
        <Input label="Find" value={find} onChange={(find) => amend({ find })} hint="in customer and answer" />
        <Input label="Only" value={kind} onChange={(only) => amend({ only })} options={["steps", "silences"]} />
        <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? "Go on" : "Pause"}
        </button>
      </form>
      <p class="lead" aria-live="off">
        {count(rows.length)} decisions, {percent(silent, rows.length)} silent
        {missed ? `, ${count(missed)} missed: they came faster than this page reads` : ""} <Badge tone={open ? "good" : "wait"}>{paused ? "paused" : open ? "watching" : "connecting"}</Badge>
      </p>
      {failed ? <Refused failed={failed} /> : null}
      {shown.length ? (
        <Windowed items={shown} row={40} label="Decisions, newest first" selected={Math.min(selected, shown.length - 1)} onSelect={setSelected} onOpen={openRow}>
          {(row) => <Row row={row} />}
        </Windowed>
      ) : (
        <Empty>{rows.length ? "Nothing matches." : "Decisions appear here as they are made."}</Empty>
      )}
      {may("read") && selected >= 0 && shown[selected] ? (
        <p class="actions">
          <button type="button" class="primary" onClick={() => openRow(selected)}>
            Why this answer?
          </button>
          <a href={link("customer", shown[selected]?.request?.customerId ?? "")}>the customer</a>
        </p>
      ) : null}
    </>
  );
}

const Row = ({ row }: { row: GetDecisionResponse }) => (
  <div class="feed-row">
    <time>{clock(row.decidedAt)}</time>
    <span class="name" title={row.request?.customerId}>
      {row.request?.customerId}
    </span>
    <span class="quiet channel">{row.request?.channel}</span>
    <span class={row.decision?.silence ? "name quiet" : "name strong"} title={said(row.decision)}>
      {said(row.decision)}
    </span>
  </div>
);

/** Decisions of the stream, opened again when it ends. */
function useFeed(customer: string, channel: string) {
  const arrived = useRef<GetDecisionResponse[]>([]);
  const [missed, setMissed] = useState(0);
  const [failed, setFailed] = useState<Failure>();
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    arrived.current = [];
    setMissed(0);
    const watch = async () => {
      while (!stop.signal.aborted) {
        try {
          const stream = live.watchDecisions({ customerId: customer, channel }, { signal: stop.signal, onHeader: () => (setOpen(true), setFailed(undefined)) });
          for await (const { decision, missed } of stream) {
            if (missed) setMissed((before) => before + Number(missed));
            if (!decision) continue;
            arrived.current.push(decision);
            if (arrived.current.length > MOST) arrived.current.splice(0, arrived.current.length - MOST);
          }
        } catch (error) {
          if (stop.signal.aborted || isAbort(error)) return;
          setFailed(failure(error));
        }
        setOpen(false);
        await new Promise((done) => setTimeout(done, AGAIN));
      }
    };
    void watch();
    return () => stop.abort();
  }, [customer, channel]);
  return { arrived, missed, failed, open };
}
