// The scenario over @grpc/grpc-js: node grpc-js.mjs HOST:PORT CUSTOMER

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { run } from './steps.mjs';

const [target, customer] = process.argv.slice(2);
const proto = process.env.PROTO ?? fileURLToPath(new URL('../../proto', import.meta.url));
const options = { includeDirs: [proto], enums: String, longs: String, defaults: true, arrays: true };
const files = ['decision', 'journey', 'consent'].map((name) => `tactful/v1/${name}.proto`);
const { tactful: { v1 } } = grpc.loadPackageDefinition(loadSync(files, options));

await run(customer, (service, method, request) => new Promise((resolve) => {
  const client = new v1[service](target, grpc.credentials.createInsecure());
  client[method](request, { deadline: Date.now() + 5000 }, (error, answer) => {
    client.close();
    resolve(error ? { code: grpc.status[error.code] } : { code: 'OK', answer });
  });
}));
