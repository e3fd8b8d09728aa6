import { link } from "../route";
import { useSession } from "../session";

const ABOUT: Record<string, string> = {
  why: "One decision: what was chosen, where every other action stopped, and what would have changed it.",
  customer: "One customer: journeys, pressure, limits and consents; what would be said next.",
  "what-if": "Decide again with another context or consent, at another time, or under draft rules. Nothing is counted.",
  rules: "The rules in force, their warnings, what the files on disk say, and what became of each action.",
  consent: "What a customer allowed, with the evidence, and the proof checked in this page.",
  live: "Decisions as they are made.",
  health: "Whether the server can rely on its rules, its ledger, its store and its clock.",
};

export function Home({ screens }: { screens: { name: string; title: string }[] }) {
  const { rules } = useSession();
  return (
    <>
      <h1>Look instead of read</h1>
      <p class="lead">{rules ? rules.status.charAt(0).toUpperCase() + rules.status.slice(1) : "Type a customer’s or a decision’s id above, or choose a screen."}</p>
      <ul class="tiles">
        {screens.map(({ name, title }) => (
          <li key={name}>
            <a href={link(name)}>
              <strong>{title}</strong>
              <span>{ABOUT[name]}</span>
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}
