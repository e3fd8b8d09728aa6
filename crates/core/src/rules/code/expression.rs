//! Long explanations: what is wrong with an expression (T02xx).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const EXPRESSION_SYNTAX: &str = r#"The expression cannot be parsed. Expressions are written in the
syntax of CEL (cel.dev): `==` compares, `&&`, `||` and `!` join and negate, `in`
looks into a list, text stands in straight quotes. Left out on purpose: `null`,
bytes, unsigned numbers, `[...]` behind a value, maps.

Wrong:

    context.topic = "speed" and not customer.age < 18

Right:

    context.topic == "speed" && !(customer.age < 18)
"#;

pub(super) const EXPRESSION_UNKNOWN_NAME: &str = r"The expression names a fact that no rule file declares.
Facts are `customer.*` and `context.*` as declared, `event.*` where there is an
event, `journey.ID.*`, `events`, `outcomes`, `pressure`, `hurt`, `channel`,
`now`, `local.*` and `consent`.

Wrong:

    customer.agee >= 18

Right:

    customer.age >= 18
";

pub(super) const EXPRESSION_WRONG_TYPE: &str = r#"An operator or a function was given a value of the wrong
type. Nothing is converted by itself: text is not a number, and a moment is not
a duration. Texts compare by the alphabet, so a fact whose listed values have
another order, such as `local.weekday`, cannot stand beside `<`.

Wrong:

    customer.age >= "18"

Right:

    customer.age >= 18
"#;

pub(super) const EXPRESSION_NOT_ONE_OF: &str = r#"A fact is compared with a value that its `one_of` does not
hold, so the comparison can never come out true.

Wrong:

    customer.contract == "DSL"

Right:

    customer.contract == "dsl"
"#;

pub(super) const EXPRESSION_ARGUMENTS: &str = r#"A function was given too few or too many arguments.

Wrong:

    events.count("page_view")

Right:

    events.count("page_view", "7d")
"#;

pub(super) const EXPRESSION_UNKNOWN_FUNCTION: &str = r#"The expression calls a function that does not exist,
or calls it on something that does not have it.

Wrong:

    context.topic.lower() == "speed"

Right:

    context.topic.matches("(?i)^speed$")
"#;

pub(super) const EXPRESSION_PURPOSE: &str = r"The expression reads a fact that is not collected for the
purpose of this action or journey, so it would always be unknown. Add the
purpose to the fact if the customer's consent covers it, or drop the condition.

Wrong:

    customer.age: {type: number, purposes: [service]}
    # and in an action with `purpose: personalisation`
    - customer.age >= 18

Right:

    customer.age: {type: number, purposes: [service, personalisation]}
";

pub(super) const EXPRESSION_WINDOW: &str = r#"The window is longer than the events are kept, so the expression
would count too few. Keep the events longer, or shorten the window.

Wrong:

    page_view: {keep: 30 days, ...}
    - events.count("page_view", "90d") >= 3

Right:

    page_view: {keep: 90 days, ...}
    - events.count("page_view", "90d") >= 3
"#;

pub(super) const EXPRESSION_ZERO: &str = r"The expression divides by zero. Everything that could fail during a
decision is refused when the rules load.

Wrong:

    customer.spend / 0 > 10

Right:

    customer.spend / 12 > 10
";

pub(super) const EXPRESSION_REGEX: &str = r#"The pattern given to `matches` is not a regular expression, or
its compiled form is too large. The syntax is that of the Rust crate regex: no
back references and no look-around, and therefore always linear time.

Wrong:

    context.page.matches("fibre(")

Right:

    context.page.matches("fibre[(]")
"#;

pub(super) const EXPRESSION_TOO_COSTLY: &str = r"An expression may have 2,048 bytes, 512 parts, 32 levels of
brackets and 128 operators one upon another, and take 100,000 steps, so that
every decision stays fast. A filter counts 256 times, the body of `exists` or
`all` 64 times. Split it: a condition is a list, and all its entries must hold;
`any:` and `none:` nest.

Wrong:

    - a == 1 || a == 2 || a == 3 || ...          # hundreds

Right:

    - a in [1, 2, 3]
";

pub(super) const EXPRESSION_NOT_CONDITION: &str = r#"A condition must come out as true or false; this
expression comes out as a number, a text or something else. Compare it with
something.

Wrong:

    - events.count("page_view", "7d")

Right:

    - events.count("page_view", "7d") >= 3
"#;

pub(super) const EXPRESSION_DURATION: &str = r#"A duration in an expression is a text of a number and a unit,
`"14d"`, `"12h"`, `"30m"`; outside a window it stands in `duration(...)`.

Wrong:

    events.last("complaint") > now - 14d

Right:

    events.last("complaint") > now - duration("14d")
"#;

pub(super) const EXPRESSION_NOT_HERE: &str = r#"The fact exists, but not in this place: `event.*` is known
only where there is an event: in journeys and in the filter of `events.count`.

Wrong:

    eligible:
      - event.page == "fibre"

Right:

    eligible:
      - 'events.count("page_view", "7d", event.page == "fibre") >= 1'
"#;

pub(super) const EXPRESSION_CONSTANT: &str = r#"A part of the expression comes out the same whatever the facts:
always true, so that it can be removed, or always false, so that the rule never
fires. This is a warning; a number that is always out of bounds is an error.

Wrong:

    customer.contract == "dsl" || 18 <= 21

Right:

    customer.contract == "dsl" || customer.age <= 21
"#;
