//! Long explanations: what is wrong with the shape of a document (T01xx).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const UNKNOWN_KEY: &str = r"A key has no meaning where it stands. Unknown keys are not skipped,
because a misspelt restriction would then not restrict. Look for a misspelling,
or for a key with the wrong indentation.

Wrong:

    actions:
      - id: fibre-upgrade
        suitabel: [customer.age >= 18]

Right:

    actions:
      - id: fibre-upgrade
        suitable: [customer.age >= 18]
";

pub(super) const MISSING_KEY: &str = r"A required key is missing. Restrictions have no default in rule files,
so that forgetting one does not allow anything.

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

pub(super) const WRONG_TYPE: &str = r"A value has another type than its key needs: a text instead of a list,
a list instead of a map, and so on.

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
event, a journey, a stage, an attribute or an action. Fix the spelling, or
declare it where its kind is declared: under `purposes:`, `channels:`,
`events:`, `journeys:`, `attributes:` or `context:`, in any file of the
folder. A group of actions is declared by the `group:` of an action.

Wrong:

    channels:
      web: {direction: inbound, interruption: 0}
    actions:
      - id: fibre-upgrade
        treatments:
          sms: {text: Fibre is here}

Right:

    channels:
      web: {direction: inbound, interruption: 0}
      sms: {direction: outbound, interruption: 4}
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
fraction where a whole number is needed, or is not finite.

Wrong:

    sensitivity: 30

Right:

    sensitivity: 0.3     # from 0 to 1
";

pub(super) const BAD_DURATION: &str = r"A duration is a number and a unit: `30 minutes`, `12 hours`, `7 days`,
`13 months`, `2 years`. A number without a unit is ambiguous.

Wrong:

    half_life: 7

Right:

    half_life: 7 days
";

pub(super) const BAD_TIME: &str = r#"A date or a time is not valid. A time of day is written `"21:00"`, in
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

pub(super) const NO_DEFAULT_ALLOWED: &str = r"A restriction was left out, and restrictions have no default. An
attribute must say `personal: false` or name its purposes; an action must name
its purpose. Personal data is never allowed by omission.

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

pub(super) const TOO_MANY: &str = r"There are more things of one kind than the limit allows. The
limits keep decisions fast and memory small; ordinary rule sets stay far below.

Wrong:

    purposes: {p1: {...}, p2: {...}, ...}        # hundreds

Right:

    purposes: {service: {...}, personalisation: {...}}
";

pub(super) const EMPTY_LIST: &str = r#"A list or map needs at least one entry here. An empty condition would
always hold, and an empty list of allowed values would allow none: probably
neither is meant. Remove the key, or fill it.

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
it. A literal brace is doubled: `{{`.

Wrong:

    text: "You have {customer.contract"

Right:

    text: "You have {customer.contract}."
"#;

pub(super) const MISSING_SECTION: &str = r"A section that every rule set needs is missing from all files of
the folder. Without purposes no data may be used; without channels and
actions there is nothing to offer.

Wrong:

    actions: [...]

Right:

    purposes: {...}
    channels: {...}
    actions: [...]
";

pub(super) const NO_NOTICE: &str = r"A purpose names a notice, the text that the customer is shown, and
the folder `notices` beside the rules has no such file, or an empty one. Records
of consent name the notice and its hash: without the text, nobody can prove what
the customer agreed to. Keep old versions in the folder.

Wrong:

    advice: {basis: consent, notice: agreements/advice.md}

Right:

    advice: {basis: consent, notice: notices/advice-v1.md}
";
