//! Long explanations: what is wrong with the shape of a document (T01xx).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const UNKNOWN_KEY: &str = r"A key has no meaning where it stands. Nothing is skipped in silence,
because a misspelt restriction would then be no restriction. Look for a slip, or
for a key that is indented to the wrong place.

Wrong:

    actions:
      - id: fibre-upgrade
        suitabel: [customer.age >= 18]

Right:

    actions:
      - id: fibre-upgrade
        suitable: [customer.age >= 18]
";

pub(super) const MISSING_KEY: &str = r"A key is missing that must be there. What restricts has no default in
rule files, so that nothing becomes allowed by being forgotten.

Wrong:

    actions:
      - id: fibre-upgrade
        kind: offer

Right:

    actions:
      - id: fibre-upgrade
        kind: offer
        purpose: personalisation
";

pub(super) const WRONG_TYPE: &str = r"A value is of another type than its key needs: a text where a list is
due, a list where a map is due, and so on.

Wrong:

    eligible: customer.age >= 18

Right:

    eligible:
      - customer.age >= 18
";

pub(super) const NOT_ONE_OF: &str = r"The key allows certain words only, and the value is none of them.

Wrong:

    kind: promotion

Right:

    kind: offer          # offer, service, repair, information or consent_ask
";

pub(super) const UNKNOWN_NAME: &str = r"A name is used that no rule file declares: a purpose, a channel, an
event, a journey, a stage, an attribute or an action. Declare it, or mend the
slip.

Wrong:

    purpose: personalization

Right:

    purpose: personalisation
";

pub(super) const DUPLICATE_ID: &str = r"Two things of one kind have the same id, perhaps in two files. Ids
are unique over all files of a folder, because decisions, histories and the
consent ledger name things by them.

Wrong:

    actions:
      - id: fibre-upgrade
      - id: fibre-upgrade

Right:

    actions:
      - id: fibre-upgrade
      - id: fibre-upgrade-business
";

pub(super) const BAD_NUMBER: &str = r"A number is outside the range that makes sense for its key, has a
fraction where a whole one is due, or is not finite.

Wrong:

    sensitivity: 30

Right:

    sensitivity: 0.3     # from 0 to 1
";

pub(super) const BAD_DURATION: &str = r"A length of time is a number and a unit: `30 minutes`, `12 hours`,
`7 days`, `13 months`, `2 years`. A number without a unit says nothing.

Wrong:

    half_life: 7

Right:

    half_life: 7 days
";

pub(super) const BAD_TIME: &str = r#"A date or a time cannot be read. A time of day is written `"21:00"`, in
quotes; a moment in time carries its offset: `2026-03-02T10:00:00+01:00`.

Wrong:

    quiet_hours: {from: "9pm", to: "8"}

Right:

    quiet_hours: {from: "21:00", to: "08:00"}
"#;

pub(super) const BAD_ZONE: &str = r"A time zone is named as in the IANA data base: continent and city.
Abbreviations such as `CET` are ambiguous, and an offset does not know summer
time.

Wrong:

    time_zone: CET

Right:

    time_zone: Europe/Berlin
";

pub(super) const NO_DEFAULT_ALLOWED: &str = r"Something that restricts was left to a default. An attribute
must say `personal: false` or name its purposes; an action must name its
purpose. Nothing about people is allowed by saying nothing.

Wrong:

    attributes:
      customer.age: {type: number}

Right:

    attributes:
      customer.age: {type: number, purposes: [personalisation]}
";

pub(super) const BAD_ID: &str = r"An id holds characters that ids may not have, or is too long. Ids are made
of letters `a` to `z`, digits, `-` and `_`; the names of attributes and purposes
may hold dots.

Wrong:

    - id: Fibre upgrade!

Right:

    - id: fibre-upgrade
";

pub(super) const TOO_MANY: &str = r"There are more things of one kind than the limit. The limits keep
decisions fast and memory small; no ordinary rule set comes near them.

Wrong:

    purposes: {p1: {...}, p2: {...}, ...}        # hundreds

Right:

    purposes: {service: {...}, personalisation: {...}}
";

pub(super) const EMPTY_LIST: &str = r#"A list or map needs at least one entry here. An empty condition would
always hold, and an empty list of allowed values would never: neither is
probably meant. Remove the key, or fill it.

Wrong:

    eligible: []

Right:

    eligible:
      - customer.contract == "dsl"
"#;

pub(super) const CONTRADICTION: &str = r"Two settings exclude each other, so at least one of them cannot be
meant.

Wrong:

    customer.age: {type: number, personal: false, purposes: [personalisation]}

Right:

    customer.age: {type: number, purposes: [personalisation]}
";

pub(super) const BAD_TEMPLATE: &str = r#"A text holds facts in braces, as in `{customer.contract}`. A brace
is not closed, or the fact is unknown, or the action's purpose may not disclose
it. A brace that is meant as such is doubled: `{{`.

Wrong:

    text: "You have {customer.contract"

Right:

    text: "You have {customer.contract}."
"#;

pub(super) const MISSING_SECTION: &str = r"A section is missing that every rule set needs, over all files of
the folder together. Without purposes no data may be used; without channels and
actions there is nothing to say.

Wrong:

    actions: [...]

Right:

    purposes: {...}
    channels: {...}
    actions: [...]
";
