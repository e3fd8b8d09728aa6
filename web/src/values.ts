// Facts as they are typed and as they are in a link: a letter for the type, a colon, the text.
import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { fromInput } from "./format";
import { ValueSchema, type Value } from "./gen/tactful/v1/common_pb";
import { FactType, type DeclaredFact } from "./gen/tactful/v1/rules_pb";

const LETTERS: Record<string, FactType> = {
  t: FactType.TEXT,
  n: FactType.NUMBER,
  f: FactType.FLAG,
  m: FactType.MOMENT,
  s: FactType.SPAN,
  l: FactType.LIST,
};

/** A value from what a person typed; undefined if it does not fit the type. */
export function typed(text: string, type: FactType): Value | undefined {
  switch (type) {
    case FactType.NUMBER: {
      const number = Number(text);
      return text.trim() && Number.isFinite(number) ? of({ case: "number", value: number }) : undefined;
    }
    case FactType.FLAG:
      return text === "true" || text === "false" ? of({ case: "flag", value: text === "true" }) : undefined;
    case FactType.MOMENT: {
      const at = fromInput(text);
      return at && of({ case: "moment", value: at });
    }
    case FactType.SPAN: {
      const seconds = Number(text);
      const whole = { seconds: BigInt(Math.trunc(seconds || 0)), nanos: 0 };
      return text.trim() && Number.isFinite(seconds) ? create(ValueSchema, { kind: { case: "span", value: whole } }) : undefined;
    }
    case FactType.LIST: {
      const items = text.split(",").map((item) => item.trim()).filter(Boolean);
      return create(ValueSchema, { kind: { case: "list", value: { items } } });
    }
    default:
      return text ? of({ case: "text", value: text }) : undefined;
  }
}

const of = (kind: Value["kind"]): Value => create(ValueSchema, { kind });

/** What a person would type for a value. */
export function text(value: Value | undefined): string {
  const kind = value?.kind;
  switch (kind?.case) {
    case "text":
      return kind.value;
    case "number":
    case "flag":
      return String(kind.value);
    case "moment":
      return timestampDate(kind.value).toISOString().slice(0, 19);
    case "span":
      return String(kind.value.seconds);
    case "list":
      return kind.value.items.join(", ");
    default:
      return "";
  }
}

const CASES = { text: "t", number: "n", flag: "f", moment: "m", span: "s", list: "l" } as const;

export function toLink(value: Value): string {
  const kind = value.kind.case;
  return kind ? `${CASES[kind]}:${text(value)}` : "";
}

export function fromLink(coded: string): Value | undefined {
  const type = LETTERS[coded[0] ?? ""];
  return type !== undefined && coded[1] === ":" ? typed(coded.slice(2), type) : undefined;
}

/** Facts without a declaration, for those who may not see the rules: a number and a flag are recognised. */
export function guessed(text: string): Value | undefined {
  if (text === "true" || text === "false") return typed(text, FactType.FLAG);
  return typed(text, text.trim() !== "" && Number.isFinite(Number(text)) ? FactType.NUMBER : FactType.TEXT);
}

export const typeName = (fact: DeclaredFact) => (FactType[fact.type] ?? "").toLowerCase();
