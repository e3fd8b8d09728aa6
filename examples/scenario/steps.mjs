// The steps of the scenario: each is sent with `call`, and its answer is compared.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

export async function run(customer, call) {
  const steps = JSON.parse(readFileSync(new URL('scenario.json', import.meta.url), 'utf8'));
  let kept = '';
  for (const [place, { call: name, request, expect = {}, error = 'OK', keep }] of steps.entries()) {
    const [service, method] = name.split('/');
    const text = JSON.stringify(request).replaceAll('CUSTOMER', customer).replaceAll('KEPT', kept);
    const { code, answer } = await call(service, method, JSON.parse(text));
    const at = (path) => path.split('.').reduce((value, part) => value[part], answer);
    const seen = code === 'OK' ? Object.fromEntries(Object.keys(expect).map((path) => [path, at(path)])) : {};
    kept = (keep && answer?.[keep]) || kept;
    console.log(place + 1, name, code, JSON.stringify(seen));
    assert.deepEqual([seen, code], [expect, error]);
  }
}
