// Decisions that this tab has seen, so that one can be opened without its id.
import { useState } from "preact/hooks";
import { link } from "./route";

const KEY = "tactful.seen";
const MOST = 12;

export interface Seen {
  id: string;
  /** What was said to whom, in a few words. */
  about: string;
}

function known(): Seen[] {
  try {
    const list: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(list) ? (list as Seen[]) : [];
  } catch {
    return [];
  }
}

export function remember(seen: Seen): void {
  if (!seen.id) return;
  const others = known().filter((before) => before.id !== seen.id);
  sessionStorage.setItem(KEY, JSON.stringify([seen, ...others].slice(0, MOST)));
}

export function Recent() {
  const [list] = useState(known);
  if (list.length === 0) return null;
  return (
    <section>
      <h2>Seen in this tab</h2>
      <ul class="plain-list">
        {list.map(({ id, about }) => (
          <li key={id}>
            <a href={link("why", id)}>{about}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}
