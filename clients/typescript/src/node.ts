// The entry for Node: gRPC over HTTP/2.
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { authorization, baseUrl, type ConnectOptions } from "./options.js";
import { Tactful } from "./tactful.js";

export * from "./exports.js";

/** A connection that was silent for this long is checked before it is used. */
const PING_AFTER_MS = 30_000;
const PING_TIMEOUT_MS = 5_000;

/**
 * A client of the server at an address such as `https://tactful.example:50051`. The connection is opened with the first
 * call, and opened again when it was lost.
 *
 * @throws TypeError if the address has no scheme
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Tactful {
  const { ca, cert, key, token } = options;
  const address = baseUrl(url);
  const nodeOptions = { ...(ca && { ca: pem(ca) }), ...(cert && { cert: pem(cert) }), ...(key && { key: pem(key) }) };
  const pings = { pingIntervalMs: PING_AFTER_MS, pingTimeoutMs: PING_TIMEOUT_MS };
  const managers: Http2SessionManager[] = [];
  const lane = () => {
    const sessionManager = new Http2SessionManager(address, pings, nodeOptions);
    managers.push(sessionManager);
    return createGrpcTransport({ baseUrl: address, sessionManager, interceptors: authorization(token) });
  };
  const close = () => managers.forEach((manager) => manager.abort());
  return new Tactful({ calls: lane(), withdrawals: lane(), close }, options);
}

const pem = (text: string | Uint8Array) => (typeof text === "string" ? text : Buffer.from(text));
