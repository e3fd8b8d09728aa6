// The entry for browsers, and for all else that has fetch: gRPC-Web.
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { authorization, baseUrl, type ConnectOptions } from "./options.js";
import { Tactful } from "./tactful.js";

export * from "./exports.js";

/**
 * A client of the server at an address such as `https://tactful.example:50051`. The server must list the page's origin
 * (`--allow-origin`).
 *
 * @throws TypeError if the address has no scheme, or for an option that is for Node
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Tactful {
  for (const name of ["ca", "cert", "key"] as const) {
    if (options[name]) throw new TypeError(`\`${name}\` is for Node: a browser has certificates of its own`);
  }
  const calls = createGrpcWebTransport({ baseUrl: baseUrl(url), interceptors: authorization(options.token) });
  return new Tactful({ calls }, options);
}
