//! Long explanations: rule tests (T04xx).

pub(super) const FAILED_TEST: &str = r"A rule test (`*.test.yaml`) expects something else than what is decided.
The server does not put such rules in force: those before stay, or it does not
start. Mend the rule, or the test if the rule is meant. `tactful test` shows
every test; `tactful serve --skip-tests` does not run them.

Wrong:

    - name: a stranger is offered fibre
      at: 2026-03-02T10:00:00+01:00
      decide: {channel: web}
      expect: {action: fibre-upgrade}         # needs a consent

Right:

    - name: a stranger is offered nothing personal
      at: 2026-03-02T10:00:00+01:00
      decide: {channel: web}
      expect: {why_not: {action: fibre-upgrade, gate: consent}}
";
