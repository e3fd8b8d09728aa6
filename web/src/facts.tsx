// Facts of one moment as a form: what the rules declare, or by name where the reader may not see the rules.
import { Input } from "./ui";
import { FactType, type DeclaredFact } from "./gen/tactful/v1/rules_pb";
import type { Value } from "./gen/tactful/v1/common_pb";
import { guessed, text, typed } from "./values";
import { useEffect, useState } from "preact/hooks";

export type Given = Record<string, Value>;

interface Props {
  declared: DeclaredFact[] | undefined;
  given: Given;
  onChange: (given: Given) => void;
}

export function FactFields({ declared, given, onChange }: Props) {
  const change = (name: string, value: Value | undefined) => {
    const { [name]: _, ...others } = given;
    onChange(value ? { ...others, [name]: value } : others);
  };
  if (!declared) return <ByName given={given} onChange={onChange} />;
  return (
    <>
      {declared.map((fact) => (
        <FactField key={fact.name} fact={fact} value={given[fact.name]} onChange={(value) => change(fact.name, value)} />
      ))}
    </>
  );
}

function FactField({ fact, value, onChange }: { fact: DeclaredFact; value: Value | undefined; onChange: (value: Value | undefined) => void }) {
  const known = text(value);
  const [shown, setShown] = useState(known);
  // A link or another field may change it; half-typed numbers are left as they are.
  useEffect(() => {
    if (text(typed(shown, fact.type)) !== known) setShown(known);
  }, [known]);
  const edit = (text: string) => {
    setShown(text);
    onChange(typed(text, fact.type));
  };
  const options = fact.oneOf.length ? fact.oneOf : fact.type === FactType.FLAG ? ["true", "false"] : undefined;
  const type = fact.type === FactType.NUMBER || fact.type === FactType.SPAN ? "number" : fact.type === FactType.MOMENT ? "datetime-local" : "text";
  const hint = fact.type === FactType.SPAN ? "in seconds" : fact.type === FactType.LIST ? "separated by commas" : fact.type === FactType.MOMENT ? "UTC" : undefined;
  return <Input label={fact.name} value={shown} onChange={edit} options={fact.type === FactType.LIST ? undefined : options} type={type} hint={hint} step={type === "number" ? "any" : "1"} />;
}

function ByName({ given, onChange }: { given: Given; onChange: (given: Given) => void }) {
  const written = Object.entries(given).map(([name, value]) => `${name}=${text(value)}`).join(", ");
  const [shown, setShown] = useState(written);
  const edit = (line: string) => {
    setShown(line);
    const pairs = line.split(",").map((pair) => pair.split("=", 2).map((part) => part.trim()) as [string, string?]);
    const known = pairs.flatMap(([name, value]) => (name && value && guessed(value) ? [[name, guessed(value) as Value] as const] : []));
    onChange(Object.fromEntries(known));
  };
  return <Input label="Facts" wide value={shown} onChange={edit} hint="name=value, separated by commas" />;
}
