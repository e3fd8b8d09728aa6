// A first decision: what to say to Anna on the web, before she consents, after it, and after she changes her mind.
//
//     npm install
//     node first-decision.mjs
//
// Needs a running server with the sample rules: `cargo run --release -- serve` in the root of the repository.

import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const SECONDS = 5; // the deadline of each call; on a web page you would use 0.1
const PROTO = fileURLToPath(new URL('../../proto', import.meta.url));

const { tactful: { v1 } } = grpc.loadPackageDefinition(loadSync(
  ['decision', 'journey', 'consent'].map((name) => `tactful/v1/${name}.proto`),
  { includeDirs: [PROTO], enums: String, longs: Number, defaults: true, arrays: true },
));

/** The five calls that most integrations need, for one customer on the web. */
class Tactful {
  constructor(target, customer) {
    this.customerId = customer;
    const credentials = grpc.credentials.createInsecure();
    this.decisions = new v1.DecisionService(target, credentials);
    this.journeys = new v1.JourneyService(target, credentials);
    this.consents = new v1.ConsentService(target, credentials);
  }

  /** The next best step now, or silence. A repeated requestId counts once, so a retry is safe. */
  decide(context) {
    return call(this.decisions, 'Decide', {
      customerId: this.customerId,
      channel: 'web',
      requestId: randomUUID(),
      context: facts(context),
    });
  }

  /** What is known about the customer. What no purpose allows is dropped, and named in the answer. */
  setAttributes(attributes) {
    return call(this.journeys, 'SetAttributes', { customerId: this.customerId, attributes: facts(attributes) });
  }

  /** What the customer did. */
  async recordEvent(type, fields) {
    const event = { eventId: randomUUID(), customerId: this.customerId, type, channel: 'web', fields: facts(fields) };
    const answer = await call(this.journeys, 'RecordEvents', { events: [event] });
    return accepted(answer.results[0]);
  }

  /** What the customer allows or forbids. Once this returns, every new decision knows it. */
  async recordConsent(purpose, status) {
    const answer = await call(this.consents, 'RecordConsent', {
      customerId: this.customerId,
      changes: [{ purpose, status, language: 'en', expression: 'ticked a box' }],
      idempotencyKey: randomUUID(),
      source: { channel: 'web' },
    });
    return accepted(answer.results[0]).standing;
  }

  /** The outcome of a step. `presented` confirms the contact, `not_presented` takes it back. */
  async recordOutcome(decision, action, outcome) {
    const record = {
      outcomeId: randomUUID(),
      decisionId: decision.decisionId,
      customerId: this.customerId,
      actionId: action.actionId,
      outcome,
    };
    const answer = await call(this.decisions, 'RecordOutcomes', { outcomes: [record] });
    return accepted(answer.results[0]);
  }

  /** Waits until the server answers. */
  ready() {
    return promisify(this.decisions.waitForReady.bind(this.decisions))(deadline());
  }

  close() {
    for (const client of [this.decisions, this.journeys, this.consents]) client.close();
  }
}

function deadline() {
  return Date.now() + SECONDS * 1000;
}

/** One call as a promise, with a deadline. */
function call(client, method, request) {
  return promisify(client[method].bind(client))(request, { deadline: deadline() });
}

/** JavaScript values as typed facts. */
function facts(values) {
  const kinds = { boolean: 'flag', number: 'number', string: 'text' };
  return Object.fromEntries(Object.entries(values).map(([name, fact]) => [name, { [kinds[typeof fact]]: fact }]));
}

/** Items of a batch are refused one by one, inside an OK answer: always check. */
function accepted(result) {
  if (!result.accepted) throw new Error(`the server refused it: ${result.reason}`);
  return result;
}

/** Prints a decision as a person would tell it. */
function show({ actions, silence, purposesUsed }) {
  for (const action of actions) {
    const points = action.score.total.toFixed(1);
    console.log(`   ${action.kind} \`${action.actionId}\`, ${points} points: ${action.text || action.title}`);
    for (const reason of action.because) console.log(`   because ${reason}`);
  }
  if (silence) {
    console.log(`   silence: ${silence.detail}`);
    if (silence.nearestActionId) {
      console.log(`   nearest: \`${silence.nearestActionId}\`, ${silence.nearestGap.toFixed(1)} points short`);
    }
    if (silence.retryAfter) {
      console.log(`   ask again after ${new Date(silence.retryAfter.seconds * 1000).toISOString()}`);
    }
  }
  console.log(`   data used for: ${purposesUsed.join(', ') || 'nothing personal'}`);
}

function isPersonal(decision) {
  return decision.purposesUsed.includes('personalisation');
}

/** The story. `expect(condition, sentence)` notes whether it went as the sample rules promise. */
async function tell(tactful, expect) {
  console.log('1. Anna looks at the web shop and asks about speed. She has allowed nothing yet.');
  const before = await tactful.decide({ topic: 'speed', activity: 'browsing' });
  show(before);
  expect(!isPersonal(before), 'no personal step before consent');

  console.log('2. She allows personalisation. From now on, and not before, facts may be kept for it.');
  const standing = await tactful.recordConsent('personalisation', 'CONSENT_STATUS_GIVEN');
  console.log(`   usable: ${standing.usable}, position ${standing.ledgerPosition} of the ledger`);
  await tactful.setAttributes({ 'customer.contract': 'dsl', 'customer.age': 34 });
  await tactful.recordEvent('page_view', { page: 'fibre' });

  console.log('3. She asks again.');
  const after = await tactful.decide({ topic: 'speed', activity: 'browsing' });
  show(after);
  expect(isPersonal(after), 'a personal step after consent');

  if (after.actions.length > 0) {
    console.log('4. She says yes.');
    await tactful.recordOutcome(after, after.actions[0], 'OUTCOME_ACCEPTED');
  }

  console.log('5. She takes her consent back. The very next decision knows.');
  await tactful.recordConsent('personalisation', 'CONSENT_STATUS_WITHDRAWN');
  const withdrawn = await tactful.decide({ topic: 'speed', activity: 'browsing' });
  show(withdrawn);
  expect(!isPersonal(withdrawn), 'no personal step after withdrawal');
}

const USAGE = `usage: node first-decision.mjs [--target HOST:PORT] [--customer ID] [--check]

  --target HOST:PORT  the server (default 127.0.0.1:50051)
  --customer ID       customer id (default: anna; with --check a new one)
  --check             fail unless the sample rules decide as they promise`;

function options() {
  try {
    return parseArgs({
      options: {
        target: { type: 'string', default: '127.0.0.1:50051' },
        customer: { type: 'string' },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function main() {
  const { target, customer, check, help } = options();
  if (help) return console.log(USAGE);
  const broken = [];
  const expect = (condition, sentence) => {
    if (!check) return;
    console.log(`   ${condition ? 'ok' : 'FAILED'}: ${sentence}`);
    if (!condition) broken.push(sentence);
  };
  const tactful = new Tactful(target, customer ?? (check ? `anna-${randomUUID()}` : 'anna'));
  try {
    await tactful.ready().catch(() => {
      throw new Error(`no server answers at ${target}; start one with \`cargo run --release -- serve\``);
    });
    await tell(tactful, expect);
    if (broken.length > 0) throw new Error(`not as promised: ${broken.join('; ')}`);
  } catch (error) {
    const status = grpc.status[error.code];
    console.error(status ? `the server answered ${status}: ${error.details}` : error.message);
    process.exitCode = 1;
  } finally {
    tactful.close();
  }
}

await main();
