//! Long explanations: what works and is probably not meant (T03xx).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const UNUSED_PURPOSE: &str = r"A purpose is declared, and no attribute, event, journey, action
or condition uses it. People would be asked for a consent that has no effect.
Remove it, or use it.

Wrong:

    purposes:
      service:  {basis: contract}
      research: {basis: consent}            # used by nothing

Right:

    purposes:
      service:  {basis: contract}
";

pub(super) const UNUSED_ATTRIBUTE: &str = r"A personal attribute is declared, and no rule or template reads
it. Data that is not needed should not be collected (GDPR Art. 5(1)(c)). Remove
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

pub(super) const UNREACHABLE_STAGE: &str = r"No move leads to the stage, and the journey does not start there.
What depends on it never happens.

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

pub(super) const SAME_TEST_NAME: &str = r"Two tests have the same name. Reports and `tactful test --run`
name tests, so it would be unclear which of the two failed.

Wrong:

    tests:
      - name: a complaint is answered            # on the web
      - name: a complaint is answered            # on the phone

Right:

    tests:
      - name: a complaint is answered on the web
      - name: a complaint is answered on the phone
";

pub(super) const UNTESTED_ACTION: &str = r"There are tests beside the rules, and none of them expects anything of this
action: it would go unnoticed if a change to the rules silenced it, or let it be
offered where it should not be. This is reported only where there are tests.

Wrong:

    actions:
      - id: newsletter                     # no test names it under `expect`

Right:

    tests:
      - name: a customer who wants the newsletter gets it
        expect: {action: newsletter}
";

pub(super) const UNUSED_EVENT: &str = r"No rule counts the event, no journey follows it, and it neither hurts nor
repairs; or no rule reads the field. What customers do is personal data, and
data that is not needed should not be collected (GDPR Art. 5(1)(c)).

Wrong:

    events:
      order: {fields: {product: text, colour: text}, purposes: [service], keep: 1 year}
                                             # no rule reads `event.colour`

Right:

    events:
      order: {fields: {product: text}, purposes: [service], keep: 1 year}
";

pub(super) const CONTRADICTORY_CONDITIONS: &str = r"The conditions of the action can never all be true, so it is never
chosen; or the points, the start or the move never happen. Ranges of numbers and
times, listed values, flags, the channels on which the action has a treatment and
the stages that a journey reaches are compared. Where this cannot be decided,
nothing is reported; where it is reported, it is certain.

Wrong:

    eligible:
      - customer.age >= 65
    suitable:
      - customer.age < 30

Right:

    eligible:
      - customer.age >= 18
    suitable:
      - customer.age < 30
";

pub(super) const IDLE_LIMIT: &str = r"The limit never stops anything: another limit covers the same actions and always
stops them at least as early, or no action has its channels, kinds and groups.

Wrong:

    limits:
      - {at_most: 1, per: 30 days}
      - {at_most: 2, per: 7 days}            # one in 30 days is never two in 7

Right:

    limits:
      - {at_most: 1, per: 30 days}
";

pub(super) const NOTHING_TO_GAIN: &str = r"The action asks for a consent that would change no answer: no action serves
the purpose and no rule asks whether it is given; or no action that serves it has
a treatment on the channels of the ask, which has no points of its own either. An
ask is worth what it would gain on its own channel.

Wrong:

    - id: ask-email
      asks: marketing.email                  # served by e-mail alone
      treatments: {web: {text: May we write?}}

Right:

    - id: ask-email
      asks: marketing.email
      relevance:
        add: [{points: 25, when: context.topic == 'price'}]
      treatments: {web: {text: May we write?}}
";

pub(super) const EQUAL_CONDITIONS: &str = r"Two actions of one kind, group and purpose have the same conditions and a
channel in common, so where one fits, the other does. Most often the conditions
were copied and not changed. Where one is meant to follow the other, as when the
first is limited, say so with `allow: [T0311]`.

Wrong:

    - id: router-setup
      eligible: [customer.contract == 'fibre']
    - id: television-setup
      eligible: [customer.contract == 'fibre']

Right:

    - id: router-setup
      eligible: [customer.contract == 'fibre']
    - id: television-setup
      eligible: [customer.has_tv]
";

pub(super) const POLICY_LINT: &str = r"A lint of your own, under `lints` in the policy, holds for this action. Its
message is yours. docs/lints.md explains how to write lints.

Wrong:

    - id: fibre-upgrade
      kind: offer
      intrusiveness: 2                       # the policy's lint: offers cost at least 10

Right:

    - id: fibre-upgrade
      kind: offer
      intrusiveness: 10
";
