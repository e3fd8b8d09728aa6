// What one customer allowed: standing, records with their evidence, receipts, and their proofs checked in the page.
import { useState } from "preact/hooks";
import { consents } from "../api";
import { useCall } from "../call";
import { status } from "../format";
import { NotVerified, verify, type Verified } from "../receipt";
import { consentRecord, type ConsentRecord } from "../records";
import { amend, go, link, useRoute } from "../route";
import { At, Badge, Busy, Empty, Facts, Input, Refused } from "../ui";

const PAGE = 50;

export function Consent() {
  const { subject } = useRoute();
  return subject ? <One id={subject} /> : <Find />;
}

function Find() {
  const [id, setId] = useState("");
  return (
    <>
      <h1>What did a customer allow?</h1>
      <form
        class="inline"
        onSubmit={(event) => {
          event.preventDefault();
          if (id.trim()) go(link("consent", id.trim()));
        }}
      >
        <Input label="Customer id" value={id} onChange={setId} required wide />
        <button type="submit" class="primary">
          Look up
        </button>
      </form>
    </>
  );
}

function One({ id }: { id: string }) {
  const { params } = useRoute();
  const purpose = params.get("purpose") ?? "";
  const standing = useCall(`consent ${id}`, (signal) => consents.getConsent({ customerId: id }, { signal }));
  const head = useCall("checkpoint", (signal) => consents.getCheckpoint({}, { signal }));
  return (
    <>
      <h1 class="id">{id}</h1>
      <p class="actions">
        <a href={link("customer", id)}>the customer</a>
      </p>
      {standing.failed ? <Refused failed={standing.failed} /> : null}
      {standing.busy && !standing.value ? <Busy /> : null}
      {standing.value ? (
        <section>
          <h2>Standing</h2>
          <ul class="cards">
            {standing.value.standings.map((one) => (
              <li key={one.purpose}>
                <button type="button" class="card" aria-pressed={purpose === one.purpose} onClick={() => amend({ purpose: purpose === one.purpose ? "" : one.purpose })}>
                  <strong>{one.purpose}</strong>
                  <Badge tone={one.usable ? "good" : "bad"}>{one.usable ? "may be used" : `may not: ${one.deniedBecause.replaceAll("_", " ")}`}</Badge>
                  <span>
                    {one.lawfulBasis.replaceAll("_", " ")}, {status(one.status)}
                  </span>
                  {one.since ? (
                    <span>
                      since <At at={one.since} relative={false} />
                    </span>
                  ) : null}
                  {one.until ? (
                    <span>
                      until <At at={one.until} relative={false} />
                    </span>
                  ) : null}
                  {one.needsReconfirm ? <span>a late yes came after a no; ask again</span> : null}
                </button>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      <Records id={id} purpose={purpose} vkey={head.value?.verifierKey ?? ""} />
      {head.value ? (
        <section>
          <h2>The ledger’s signed head</h2>
          <p class="quiet">Keep a copy of the key in another place, and compare: docs/proofs.md says how.</p>
          <pre tabIndex={0} aria-label="Checkpoint">
            {head.value.checkpoint}
          </pre>
          <Facts rows={[["Verifier key", <code class="long">{head.value.verifierKey}</code>]]} />
        </section>
      ) : head.failed ? (
        <Empty>The ledger has no signed head yet.</Empty>
      ) : null}
    </>
  );
}

function Records({ id, purpose, vkey }: { id: string; purpose: string; vkey: string }) {
  const [pages, setPages] = useState([""]);
  const token = pages[pages.length - 1] ?? "";
  const page = useCall(`records ${id} ${token}`, (signal) => consents.listConsentRecords({ customerId: id, pageSize: PAGE, pageToken: token }, { signal }));
  const records = (page.value?.recordsJsonLd ?? []).flatMap((json) => {
    const record = consentRecord(json);
    return record && (!purpose || !record.purpose || record.purpose === purpose) ? [record] : [];
  });
  return (
    <section>
      <h2>Records{purpose ? ` of ${purpose}` : ""}, newest first</h2>
      {page.failed ? <Refused failed={page.failed} /> : null}
      {page.busy && !page.value ? <Busy /> : null}
      {page.value && records.length === 0 ? <Empty>No record on this page.</Empty> : null}
      <ol class="records">
        {records.map((record) => (
          <li key={record.id}>
            <RecordView id={id} record={record} vkey={vkey} />
          </li>
        ))}
      </ol>
      <div class="inline">
        {pages.length > 1 ? (
          <button type="button" onClick={() => setPages(pages.slice(0, -1))}>
            Newer
          </button>
        ) : null}
        {page.value?.nextPageToken ? (
          <button type="button" onClick={() => setPages([...pages, page.value?.nextPageToken ?? ""])}>
            Older
          </button>
        ) : null}
      </div>
    </section>
  );
}

function RecordView({ id, record, vkey }: { id: string; record: ConsentRecord; vkey: string }) {
  const [asked, setAsked] = useState(false);
  const receipt = useCall(asked ? `receipt ${record.id}` : "", (signal) => consents.getReceipt({ recordId: record.id, customerId: id }, { signal }));
  const proof = receipt.value?.tlogProof ?? "";
  const checked = useCall(proof && vkey ? `proof ${record.id}` : "", () => check(proof, vkey));
  return (
    <article aria-label={`Record of ${record.purpose || "every purpose"}`}>
      <h3>
        {record.purpose || "every purpose"} <Badge tone={record.status === "given" ? "good" : "bad"}>{record.status.replaceAll("_", " ")}</Badge>
      </h3>
      <Facts rows={record.rows.filter(([name]) => name !== "Status")} />
      <div class="inline">
        {asked ? null : (
          <button type="button" onClick={() => setAsked(true)}>
            Get the receipt and check it
          </button>
        )}
        {proof ? (
          <a class="button" href={`data:text/plain;charset=utf-8,${encodeURIComponent(proof)}`} download={`${record.id}.tlog-proof`}>
            Save the receipt
          </a>
        ) : null}
      </div>
      {receipt.busy ? <Busy /> : null}
      {receipt.failed ? <Refused failed={receipt.failed} /> : null}
      {checked.value ? <ProofView result={checked.value} /> : null}
    </article>
  );
}

type Result = { verified: Verified } | { why: string };

async function check(proof: string, vkey: string): Promise<Result> {
  if (!globalThis.crypto?.subtle) return { why: "this browser checks signatures only over TLS or on this machine; save the receipt and use `tactful ledger verify-receipt`" };
  try {
    return { verified: await verify(proof, vkey) };
  } catch (error) {
    return { why: error instanceof NotVerified ? error.message : "this browser has no Ed25519; save the receipt and use `tactful ledger verify-receipt`" };
  }
}

const ProofView = ({ result }: { result: Result }) =>
  "verified" in result ? (
    <p class="notice good" role="status">
      <strong>Verified in this page:</strong> record {result.verified.position} of {result.verified.size} of <code>{result.verified.origin}</code>; the signature, the inclusion and the
      record’s own hash hold.
    </p>
  ) : (
    <p class="notice bad" role="alert">
      <strong>Not verified:</strong> {result.why}
    </p>
  );
