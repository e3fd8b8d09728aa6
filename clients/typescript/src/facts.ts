// Facts as plain values, and as messages of the protocol.
import { create } from "@bufbuild/protobuf";
import { timestampFromDate, type Duration } from "@bufbuild/protobuf/wkt";
import { TextListSchema, ValueSchema, type Value } from "./gen/tactful/v1/common_pb.js";

/**
 * A fact of the type that the rules declare: a text, a number, yes or no, a moment, a duration (`durationFromMs`), or a
 * list of texts.
 */
export type Fact = string | number | boolean | Date | Duration | readonly string[];

/** Facts by name. What is undefined is left out: the fact is unknown. */
export type Facts = Readonly<Record<string, Fact | undefined>>;

/** Attributes by name. `null` removes an attribute; what is undefined stays as it is. */
export type Attributes = Readonly<Record<string, Fact | null | undefined>>;

/**
 * Facts as the protocol sends them.
 *
 * @throws TypeError for a value that is no fact
 */
export function toValues(facts: Attributes): Record<string, Value> {
  const values: Record<string, Value> = {};
  for (const [name, fact] of Object.entries(facts)) {
    if (fact !== undefined) values[name] = create(ValueSchema, { kind: kindOf(name, fact) });
  }
  return values;
}

function kindOf(name: string, fact: Fact | null): Value["kind"] {
  if (fact === null) return { case: undefined };
  switch (typeof fact) {
    case "string":
      return { case: "text", value: fact };
    case "number":
      return { case: "number", value: fact };
    case "boolean":
      return { case: "flag", value: fact };
    case "object":
      if (fact instanceof Date) return { case: "moment", value: moment(name, fact) };
      if (isList(fact)) return { case: "list", value: create(TextListSchema, { items: [...fact] }) };
      if (fact.$typeName === "google.protobuf.Duration") return { case: "span", value: fact };
  }
  throw new TypeError(`\`${name}\` is not a text, number, boolean, Date, Duration or list of texts`);
}

/** A moment of the protocol. */
export function moment(name: string, date: Date) {
  if (Number.isNaN(date.getTime())) throw new TypeError(`\`${name}\` is not a valid date`);
  return timestampFromDate(date);
}

function isList(fact: Duration | readonly string[]): fact is readonly string[] {
  return Array.isArray(fact);
}
