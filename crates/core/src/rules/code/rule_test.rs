//! Long explanations: rule tests (T04xx).

pub(super) const FAILED_TEST: &str = r"A rule test (`*.test.yaml`) expects another decision than the rules give.
The server does not put such rules in force: the previous rules stay, or it does
not start. Fix the rule, or the test if the rule is right. `tactful test` shows
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
