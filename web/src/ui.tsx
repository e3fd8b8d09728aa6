// Small parts that screens share.
import { createContext, type ComponentChildren } from "preact";
import { useContext, useId } from "preact/hooks";
import type { Failure } from "./api";
import { apart, moment } from "./format";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Severity, type Diagnostic } from "./gen/tactful/v1/rules_pb";

export function Refused({ failed, what }: { failed: Failure; what?: string }) {
  return (
    <p class="notice bad" role="alert">
      {what ? <strong>{what}: </strong> : null}
      <Prose text={failed.message} />
      {failed.reason ? <code class="reason">{failed.reason}</code> : null}
    </p>
  );
}

/** A sentence of the engine, in which names of the rules stand between backticks. */
export const Prose = ({ text }: { text: string }) => <>{text.split("`").map((part, index, all) => (index % 2 === 1 && index < all.length - 1 ? <code key={index}>{part}</code> : index % 2 === 1 ? `\`${part}` : part))}</>;

export const Busy = ({ children = "Loading…" }: { children?: ComponentChildren }) => (
  <p class="quiet" role="status">
    {children}
  </p>
);

export const Empty = ({ children }: { children: ComponentChildren }) => <p class="quiet">{children}</p>;

/** The moment, in milliseconds, from which a part of a page counts; now if there is none. */
export const CountsFrom = createContext<number | undefined>(undefined);

/** A moment with how far it is. */
export function At({ at, relative = true }: { at: Timestamp | undefined; relative?: boolean }) {
  const from = useContext(CountsFrom);
  if (!at) return <span class="quiet">–</span>;
  return (
    <time dateTime={moment(at).replace(" ", "T") + "Z"}>
      {moment(at)} UTC{relative ? <span class="quiet"> ({apart(at, from)})</span> : null}
    </time>
  );
}

export const Badge = ({ tone, children }: { tone?: "good" | "bad" | "wait" | undefined; children: ComponentChildren }) => (
  <span class={`badge ${tone ?? ""}`}>{children}</span>
);

export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows
        .filter(([, value]) => value !== undefined && value !== null && value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

interface InputProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "number" | "datetime-local";
  options?: readonly string[] | undefined;
  /** Suggestions of a free text. */
  suggestions?: readonly string[] | undefined;
  hint?: string | undefined;
  required?: boolean;
  wide?: boolean;
  step?: string;
}

export function Input({ label, value, onChange, type = "text", options, suggestions, hint, required, wide, step }: InputProps) {
  const id = useId();
  const described = hint ? `${id}-hint` : undefined;
  return (
    <div class={`field ${wide ? "wide" : ""} ${type === "datetime-local" ? "moment" : ""}`}>
      <label for={id}>{label}</label>
      {options ? (
        <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)} aria-describedby={described}>
          {required ? null : <option value="">–</option>}
          {options.map((option) => (
            <option key={option} value={option}>
              {option}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          type={type}
          value={value}
          step={step}
          required={required}
          list={suggestions ? `${id}-list` : undefined}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => onChange(event.currentTarget.value)}
          aria-describedby={described}
        />
      )}
      {suggestions ? (
        <datalist id={`${id}-list`}>
          {suggestions.map((option) => (
            <option key={option} value={option} />
          ))}
        </datalist>
      ) : null}
      {hint ? (
        <small id={described} class="quiet">
          {hint}
        </small>
      ) : null}
    </div>
  );
}

export function Diagnostics({ found, onPlace }: { found: Diagnostic[]; onPlace?: (found: Diagnostic) => void }) {
  if (found.length === 0) return <Empty>No problem was found.</Empty>;
  return (
    <ul class="diagnostics">
      {found.map((one, index) => {
        const place = `${one.file}${one.line ? `:${one.line}` : ""}${one.column ? `:${one.column}` : ""}`;
        return (
          <li key={index}>
            <Badge tone={one.severity === Severity.ERROR ? "bad" : "wait"}>
              {one.severity === Severity.ERROR ? "error" : "warning"} {one.code}
            </Badge>{" "}
            {place && onPlace ? (
              <button type="button" class="plain" onClick={() => onPlace(one)}>
                {place}
              </button>
            ) : (
              <code>{place}</code>
            )}
            <p>
              <Prose text={one.message} />
            </p>
            {one.help ? (
              <p class="quiet">
                help: <Prose text={one.help} />
              </p>
            ) : null}
          </li>
        );
      })}
    </ul>
  );
}
