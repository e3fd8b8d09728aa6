// What happened, newest first, with what is still ahead above the line of now.
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import { At, Badge, Empty } from "./ui";

export interface Entry {
  at: number;
  /** The journey, or the kind of what happened. */
  lane: string;
  what: string;
  /** Where it leads. */
  to?: string;
  tone?: "good" | "bad" | "wait" | undefined;
  shown?: Timestamp;
}

export function Timeline({ entries }: { entries: Entry[] }) {
  const [lane, setLane] = useState("");
  const lanes = [...new Set(entries.map((entry) => entry.lane))];
  const shown = entries.filter((entry) => !lane || entry.lane === lane);
  const now = Date.now();
  if (entries.length === 0) return <Empty>Nothing is recorded that may be read now.</Empty>;
  return (
    <>
      {lanes.length > 1 ? (
        <ul class="funnel" aria-label="Only">
          {["", ...lanes].map((name) => (
            <li key={name}>
              <button type="button" class="chip" aria-pressed={lane === name} onClick={() => setLane(name)}>
                {name || "all"}
              </button>
            </li>
          ))}
        </ul>
      ) : null}
      <ol class="timeline">
        {shown.map((entry, index) => (
          <li key={index} class={entry.at > now ? "ahead" : ""}>
            <At at={entry.shown} />
            <Badge tone={entry.tone}>{entry.lane}</Badge>
            {entry.to ? <a href={entry.to}>{entry.what}</a> : <span>{entry.what}</span>}
          </li>
        ))}
      </ol>
    </>
  );
}
