// The scenario over connect-es: node connect.mjs HOST:PORT CUSTOMER [connect|connect-json|grpc|grpc-web] DESCRIPTORS

import { readFileSync } from 'node:fs';
import { createFileRegistry, fromBinary, fromJson, toJson } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { run } from './steps.mjs';

const [target, customer, protocol, descriptors] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const options = { baseUrl: `http://${target}`, httpVersion: protocol === 'grpc' ? '2' : '1.1' };
const transport = {
  connect: () => createConnectTransport({ ...options, useBinaryFormat: true }),
  'connect-json': () => createConnectTransport({ ...options, useBinaryFormat: false }),
  grpc: () => createGrpcTransport(options),
  'grpc-web': () => createGrpcWebTransport(options),
}[protocol]();

await run(customer, async (service, method, request) => {
  const described = registry.getService(`tactful.v1.${service}`);
  const rpc = described.methods.find((known) => known.name === method);
  try {
    const answer = await createClient(described, transport)[rpc.localName](fromJson(rpc.input, request), { timeoutMs: 5000 });
    return { code: 'OK', answer: toJson(rpc.output, answer, { alwaysEmitImplicit: true }) };
  } catch (error) {
    return { code: Code[error.code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase() };
  }
});
