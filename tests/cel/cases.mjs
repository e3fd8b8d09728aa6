// Prints the conformance tests of CEL (github.com/google/cel-spec, tests/simple/testdata) as JSON lines, in the
// words of the types that rule files know. What has no word here becomes `null`.
import { tests } from "@bufbuild/cel-spec/testdata/conformance.js";

const TYPES = { BOOL: "flag", INT64: "number", UINT64: "number", DOUBLE: "number", STRING: "text" };
const WELL_KNOWN = { TIMESTAMP: "moment", DURATION: "duration" };

function type(declared) {
  if (declared.listType) return type(declared.listType.elemType) === "text" ? "list" : null;
  return TYPES[declared.primitive] ?? WELL_KNOWN[declared.wellKnown] ?? null;
}

function value(given) {
  for (const kind of ["int64Value", "uint64Value", "doubleValue"]) {
    if (kind in given) return { number: Number(given[kind]) };
  }
  if ("boolValue" in given) return { flag: given.boolValue };
  if ("stringValue" in given) return { text: given.stringValue };
  if ("listValue" in given) {
    const items = (given.listValue.values ?? []).map((item) => item.stringValue);
    return items.includes(undefined) ? null : { list: items };
  }
  const { "@type": name, value } = given.objectValue ?? {};
  if (name === "type.googleapis.com/google.protobuf.Timestamp") return { moment: value };
  if (name === "type.googleapis.com/google.protobuf.Duration") return { duration: parseFloat(value) * 1000 };
  return null;
}

/** `value`, `error` or `type`: what must come of a test. */
function expected({ evalError, value: given, typedResult }) {
  if (evalError) return { error: true };
  if (given) return { value: value(given) };
  if (typedResult) return { value: typedResult.result && value(typedResult.result), type: type(typedResult.deducedType) };
  return { value: { flag: true } };
}

for (const file of tests.suites) {
  for (const section of file.suites ?? []) {
    for (const { original: test } of section.tests ?? []) {
      const declared = Object.fromEntries((test.typeEnv ?? []).map(({ name, ident }) => [name, ident ? type(ident.type) : null]));
      const bound = Object.fromEntries(Object.entries(test.bindings ?? {}).map(([name, given]) => [name, value(given.value ?? {})]));
      const names = new Set([...Object.keys(declared), ...Object.keys(bound)]);
      const variables = [...names].map((name) => ({ name, type: declared[name] ?? null, value: bound[name] ?? null }));
      const { name, expr, disableCheck = false } = test;
      console.log(JSON.stringify({ file: file.name, section: section.name, name, expr, unchecked: disableCheck, variables, ...expected(test) }));
    }
  }
}
