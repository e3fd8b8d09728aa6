// Asks for the next step when the page is viewed, and says what became of it. If the answer is silence, late, or never
// comes, the page stays as it is.

const PATIENCE = 800; // milliseconds; a step that comes later would only make the page jump

const place = document.getElementById('next-step');
const view = crypto.randomUUID();

/** One call of Tactful, in the Connect protocol. A browser that sends `Sec-GPC: 1` sends it with this call, too. */
async function call({ server, token }, method, body) {
  const response = await fetch(`${server}/tactful.v1.DecisionService/${method}`, {
    method: 'POST',
    signal: AbortSignal.timeout(PATIENCE),
    headers: { 'content-type': 'application/json', 'connect-timeout-ms': String(PATIENCE), authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method}: ${response.status}`);
  return response.json();
}

async function nextStep() {
  const session = await (await fetch('/next-step', { method: 'POST', signal: AbortSignal.timeout(PATIENCE) })).json();
  const decision = await call(session, 'Decide', {
    customerId: session.customer,
    channel: 'web',
    requestId: view,
    context: { topic: { text: 'speed' }, activity: { text: 'browsing' } },
    fallback: 'FALLBACK_SILENCE',
  });
  return { session, decision, step: decision.actions?.[0] };
}

function show({ session, decision, step }) {
  // Each outcome is recorded once, whatever the person does.
  const record = (outcome) =>
    call(session, 'RecordOutcomes', {
      outcomes: [{
        outcomeId: `${view}/${outcome}`,
        decisionId: decision.decisionId,
        customerId: session.customer,
        actionId: step.actionId,
        outcome: `OUTCOME_${outcome}`,
      }],
    }).catch(() => {});
  const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const follow = element('button', 'Tell me more');
  const close = element('button', 'No, thanks');
  follow.addEventListener('click', () => {
    record('CLICKED');
    follow.disabled = true;
  });
  close.addEventListener('click', () => {
    record('DISMISSED');
    place.hidden = true;
  });
  place.replaceChildren(element('p', step.text || step.title), follow, close);
  place.hidden = false;
  // Seen, once half of it was in sight; never seen, if the page goes before.
  let seen = false;
  const watch = new IntersectionObserver(([entry]) => {
    if (seen || !entry.isIntersecting) return;
    seen = true;
    watch.disconnect();
    record('PRESENTED');
  }, { threshold: 0.5 });
  watch.observe(place);
  addEventListener('pagehide', () => {
    if (!seen) navigator.sendBeacon('/unseen', JSON.stringify({ decisionId: decision.decisionId, actionId: step.actionId }));
    seen = true;
  });
}

nextStep().then((found) => found.step && show(found)).catch(() => {});
