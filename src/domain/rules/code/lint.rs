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

pub(super) const NEVER_WINS: &str = r"The action can never be chosen: its relevance at best does not exceed
its intrusiveness at least, its conditions exclude each other, or no channel can
carry it. Silence always wins.

Wrong:

    relevance: {base: 5}
    intrusiveness: 10

Right:

    relevance: {base: 35}
    intrusiveness: 10
";

pub(super) const UNTESTED_ACTION: &str = r"No rule test names the action. Rule tests run before every
reload; an action without one can stop working, or begin to annoy, without
anybody noticing.

Wrong:

    actions.yaml            # fibre-upgrade
                            # no *.test.yaml names it

Right:

    actions.yaml            # fibre-upgrade
    fibre.test.yaml         # expects fibre-upgrade for a DSL customer
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
