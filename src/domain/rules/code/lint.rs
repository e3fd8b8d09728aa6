//! Long explanations: what works and is probably not meant (T03xx).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const UNUSED_PURPOSE: &str = r"A purpose is declared, and no attribute, event, journey or action
uses it. People would be asked for a consent that does nothing. Remove it, or
use it.

Wrong:

    purposes:
      service:  {basis: contract}
      research: {basis: consent}            # used by nothing

Right:

    purposes:
      service:  {basis: contract}
";

pub(super) const UNUSED_ATTRIBUTE: &str = r"A personal attribute is declared, and no rule or template reads
it. Data that nobody needs should not be collected (GDPR Art. 5(1)(c)). Remove
it, or use it.

Wrong:

    customer.birthday: {type: text, purposes: [personalisation]}       # read by nothing

Right:

    # removed
";

pub(super) const NEVER_WINS: &str = r"The action can never be chosen: with every point it can get, its
relevance times its worth is not above its intrusiveness and the least
interruption of its channels. Silence always wins.

Wrong:

    relevance: {base: 5}
    intrusiveness: 10

Right:

    relevance: {base: 35}
    intrusiveness: 10
";

pub(super) const UNREACHABLE_STAGE: &str = r"No move leads to the stage, and the journey does not begin
there. What depends on it never happens.

Wrong:

    stages:
      exploring: {moves: [{to: ordered, event: order}]}
      lapsed:    {end: true}                  # nothing moves here
      ordered:   {goal: true}

Right:

    stages:
      exploring:
        moves: [{to: ordered, event: order}, {to: lapsed, after: 30 days}]
      lapsed:    {end: true}
      ordered:   {goal: true}
";

pub(super) const SAME_TEST_NAME: &str = r"Two tests have the same name. Reports name tests, and so does
`tactful test --run`: nobody could tell which of the two failed.

Wrong:

    tests:
      - name: a complaint is answered            # on the web
      - name: a complaint is answered            # on the phone

Right:

    tests:
      - name: a complaint is answered on the web
      - name: a complaint is answered on the phone
";
