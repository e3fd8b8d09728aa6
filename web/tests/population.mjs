// Customers with a history, for tests that need many: consents, attributes, events, contacts, outcomes, and a decision each.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { folder, inParallel, random, run } from "./support.mjs";

const DAY = 86_400_000;

/** The id of a customer: short ones, and some of 100 characters. */
export const customerId = (number) => (number % 50 ? `customer-${number}` : `a-customer-with-a-long-name-${"x".repeat(72 - String(number).length)}${number}`);

export async function populate(server, customers = 2_000) {
  const next = random(21);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const { events, actionIds, channels } = await server.call("RuleService/GetRuleSet", {});
  const at = (days) => new Date(Date.now() - Math.floor(next() * days * DAY)).toISOString();
  const some = (most, make) => Array.from({ length: Math.floor(next() * (most + 1)) }, make);
  const field = (fact) => {
    if (fact.oneOf?.length) return pick(fact.oneOf);
    return { FACT_TYPE_NUMBER: 3, FACT_TYPE_FLAG: true, FACT_TYPE_MOMENT: at(30), FACT_TYPE_SPAN: "90 days", FACT_TYPE_LIST: ["a"] }[fact.type] ?? pick(["fibre", "speed", "price", "moving"]);
  };
  const lines = Array.from({ length: customers }, (_, number) => ({
    customer: customerId(number),
    consents: some(1, () => ({ purpose: "personalisation", status: pick(["given", "given", "given", "withdrawn"]), at: at(300), evidence: `form-${number}` })),
    attributes: { "customer.contract": pick(["dsl", "fibre"]), "customer.age": 18 + Math.floor(next() * 60) },
    events: some(5, () => {
      const { type, fields = [] } = pick(events);
      return { type, at: at(60), fields: Object.fromEntries(fields.map((fact) => [fact.name, field(fact)])) };
    }),
    contacts: some(3, () => ({ action: pick(actionIds), channel: pick(channels), at: at(30) })),
    outcomes: some(2, () => ({ action: pick(actionIds), outcome: pick(["clicked", "accepted", "rejected", "not_now", "complained"]), channel: pick(channels), at: at(20) })),
  }));
  const file = join(folder(), "population.jsonl");
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  await run("import", file, "--server", server.address);
  await inParallel(customers, 16, (number) =>
    server.call("DecisionService/Decide", {
      customerId: customerId(number),
      channel: channels[number % channels.length],
      context: { topic: { text: pick(["speed", "price", "moving", "bill"]) }, activity: { text: "browsing" } },
    }),
  );
}
