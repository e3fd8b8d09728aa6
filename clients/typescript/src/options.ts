// What connect takes, in Node and in a browser.
import type { Interceptor } from "@connectrpc/connect";
import type { TactfulOptions } from "./tactful.js";

/** How to reach a server, and how long to wait for it. */
export interface ConnectOptions extends TactfulOptions {
  /** The token, or a function that returns the one to use now: it is called for each call. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** The certificates to trust, PEM, if the server's is not of a well-known authority. Node only. */
  readonly ca?: string | Uint8Array | undefined;
  /** The client's own certificate, PEM. Node only. */
  readonly cert?: string | Uint8Array | undefined;
  /** The key of `cert`, PEM. Node only. */
  readonly key?: string | Uint8Array | undefined;
}

/**
 * The address of a server.
 *
 * @throws TypeError if it is not one
 */
export function baseUrl(url: string | URL): string {
  const known = URL.canParse(url) ? new URL(url) : undefined;
  if (known?.protocol !== "http:" && known?.protocol !== "https:") {
    throw new TypeError(`\`${url}\` is not an address such as https://tactful.example:50051`);
  }
  return known.href;
}

/** Sends the token with each call. */
export function authorization(token: ConnectOptions["token"]): Interceptor[] {
  if (token === undefined) return [];
  return [
    (next) => async (request) => {
      const bearer = typeof token === "string" ? token : await token();
      request.header.set("authorization", `Bearer ${bearer}`);
      return next(request);
    },
  ];
}
