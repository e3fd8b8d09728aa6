// Where the page is: `#/screen/subject?name=value`. Every state that a person can choose is in it, so that it can be sent
// as a link.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  screen: string;
  /** What the screen is about, such as a decision's id. */
  subject: string;
  params: URLSearchParams;
}

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2) as [string, string?];
  const [screen = "", subject = ""] = path.replace(/^\//, "").split("/", 2);
  return { screen, subject: decoded(subject), params: new URLSearchParams(query) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export type Query = Record<string, string | undefined> | URLSearchParams;

export function link(screen: string, subject = "", query: Query = {}): string {
  const params = query instanceof URLSearchParams ? query : new URLSearchParams();
  if (!(query instanceof URLSearchParams)) {
    for (const [name, value] of Object.entries(query)) if (value) params.set(name, value);
  }
  const rest = params.toString();
  return `#/${screen}${subject ? `/${encodeURIComponent(subject)}` : ""}${rest ? `?${rest}` : ""}`;
}

export function go(to: string, replace = false): void {
  if (to === location.hash) return;
  if (replace) {
    history.replaceState(null, "", to);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = to;
  }
}

/** Changes parameters of the present state, without a new entry in the history. */
export function amend(changes: Record<string, string>): void {
  const { screen, subject, params } = parse(location.hash);
  for (const [name, value] of Object.entries(changes)) {
    if (value) params.set(name, value);
    else params.delete(name);
  }
  go(link(screen, subject, params), true);
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return parse(hash);
}
