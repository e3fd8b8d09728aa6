// A web shop whose pages ask Tactful for the next step. This server knows its customers by a cookie and gives their pages
// a token that is bound to the one customer and to the channel `web`, for five minutes. The pages call Tactful themselves.
//
//     node shop.mjs keys                 writes keys/jwks.json, the public key for Tactful
//     node shop.mjs serve                serves http://127.0.0.1:8080
//
// It needs nothing but Node 20.

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values: flags, positionals: [command] } = parseArgs({
  allowPositionals: true,
  options: {
    keys: { type: 'string', default: 'keys' },
    port: { type: 'string', default: '8080' },
    tactful: { type: 'string', default: 'http://127.0.0.1:50051' },
  },
});

const ISSUER = 'web-shop';
const AUDIENCE = 'tactful';
const SECONDS = 300;
const PAGES = new Map([
  ['/', ['index.html', 'text/html; charset=utf-8']],
  ['/shop.js', ['shop.js', 'text/javascript; charset=utf-8']],
  ['/shop.css', ['shop.css', 'text/css; charset=utf-8']],
]);

const base64url = (data) => Buffer.from(data).toString('base64url');

/** The key that signs tokens; its public half is in jwks.json. */
function signingKey() {
  const file = join(flags.keys, 'private.pem');
  if (!existsSync(file)) {
    mkdirSync(flags.keys, { recursive: true, mode: 0o700 });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  }
  const key = createPrivateKey(readFileSync(file));
  const jwk = createPublicKey(key).export({ format: 'jwk' });
  const kid = createHash('sha256').update(jwk.x).digest('base64url').slice(0, 12);
  writeFileSync(join(flags.keys, 'jwks.json'), JSON.stringify({ keys: [{ ...jwk, kid, alg: 'ES256', use: 'sig' }] }, null, 2));
  return { key, kid };
}

/** A JWT with which the page may ask about this customer on the web, and about no other. */
function token({ key, kid }, customer) {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: 'ES256', typ: 'JWT', kid };
  const claims = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'web-shop-page',
    scope: 'decide outcomes',
    tactful_customer: customer,
    tactful_channels: ['web'],
    nbf: now,
    exp: now + SECONDS,
  };
  const signed = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`;
  return `${signed}.${base64url(sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }))}`;
}

/** The customer of a visit: a real shop takes it from its session. */
function visitor(request, response) {
  const known = /(?:^|;\s*)visitor=([0-9a-z-]{1,64})/.exec(request.headers.cookie ?? '')?.[1];
  const visitor = known ?? randomUUID();
  if (!known) response.setHeader('set-cookie', `visitor=${visitor}; Path=/; HttpOnly; SameSite=Strict`);
  return visitor;
}

/**
 * A step that was never seen does not count. The page tells its own server when it goes: a browser lets a page that goes
 * send nothing that another origin has to allow first.
 */
async function giveBack(keys, customer, { decisionId, actionId }) {
  const outcome = { outcomeId: `${decisionId}/${actionId}/unseen`, decisionId, customerId: customer, actionId, outcome: 'OUTCOME_NOT_PRESENTED' };
  await fetch(`${flags.tactful}/tactful.v1.DecisionService/RecordOutcomes`, {
    method: 'POST',
    signal: AbortSignal.timeout(5_000),
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token(keys, customer)}` },
    body: JSON.stringify({ outcomes: [outcome] }),
  });
}

async function body(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 1_000) throw new Error('too long');
  }
  return JSON.parse(text);
}

function serve() {
  const keys = signingKey();
  const policy = `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ${flags.tactful}; base-uri 'none'; form-action 'none'`;
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://shop').pathname;
    response.setHeader('content-security-policy', policy);
    response.setHeader('cache-control', 'no-store');
    const customer = visitor(request, response);
    if (path === '/next-step' && request.method === 'POST') {
      // A page of another origin cannot read the answer; SameSite keeps it from asking in the customer's name.
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ server: flags.tactful, customer, token: token(keys, customer) }));
      return;
    }
    if (path === '/unseen' && request.method === 'POST') {
      // If it fails, the contact lapses by itself after the channel's `reserve_for`.
      body(request).then((step) => giveBack(keys, customer, step)).catch(() => {});
      response.writeHead(204).end();
      return;
    }
    const page = PAGES.get(path);
    if (!page || request.method !== 'GET') {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('content-type', page[1]);
    response.end(readFileSync(new URL(`page/${page[0]}`, import.meta.url)));
  });
  server.listen(Number(flags.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
}

if (command === 'keys') {
  signingKey();
  console.log(join(flags.keys, 'jwks.json'));
} else if (command === 'serve') {
  serve();
} else {
  console.error('usage: node shop.mjs keys | serve [--port 8080] [--tactful http://127.0.0.1:50051] [--keys keys]');
  process.exitCode = 2;
}
