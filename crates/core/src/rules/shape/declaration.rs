//! The shapes of declarations: purposes, attributes, context, events, channels, and the file that contains them.

use super::{ACTION, Form, JOURNEY, Name, Needs, POLICY, Shape, may, must, words};
use crate::domain::model::{Direction, Otherwise};
use crate::domain::purpose::Basis;
use crate::domain::value::Type;
use crate::rules::section::purpose::GpcMeaning;

const PURPOSES: Form = Form::List(&Form::Name(Name::Purpose), 1);
const TYPE: Form = Form::Word(|| words(&Type::NAMES));
const ONE_OF: Form = Form::List(&Form::Exact, 1);

/// A sensitivity.
pub(super) const SENSITIVITY: Form = Form::Number(0.0, 1.0);
/// Points for or against.
pub(super) const POINTS: Form = Form::Number(0.0, 1_000.0);

/// A file that holds rules.
pub static RULE_FILE: Shape = Shape {
    what: "a rule file",
    alone: "",
    keys: &[
        may("purposes", Form::NewNames(Name::Purpose, &Form::Map(&PURPOSE)), "Why personal data may be used."),
        may(
            "attributes",
            Form::NewNames(Name::Attribute, &Form::Map(&ATTRIBUTE)),
            "What may be known about a customer.",
        ),
        may(
            "context",
            Form::NewNames(Name::Context, &Form::Map(&CONTEXT)),
            "What a channel says along with its question, for this one answer.",
        ),
        may("events", Form::NewNames(Name::Event, &Form::Map(&EVENT)), "What a customer did or suffered."),
        may(
            "channels",
            Form::NewNames(Name::Channel, &Form::Map(&CHANNEL)),
            "Where a conversation takes place, and what it costs the customer to be interrupted there.",
        ),
        may(
            "journeys",
            Form::NewNames(Name::Journey, &Form::Map(&JOURNEY)),
            "The way a customer goes with you, in stages.",
        ),
        may("actions", Form::List(&Form::Map(&ACTION), 0), "What could be said or done."),
        may("policy", Form::Map(&POLICY), "What holds for all actions."),
    ],
    needs: Needs::Nothing,
};

/// One purpose.
pub static PURPOSE: Shape = Shape {
    what: "a purpose",
    alone: "basis",
    keys: &[
        must("basis", Form::Word(|| words(&Basis::NAMES)), "why it is lawful"),
        may("direct_marketing", Form::Flag, "an objection stops it, whatever the basis"),
        may("expires_after", Form::Period, "how long a yes lasts; only with consent"),
        may("cooling_off", Form::Period, "how long after a no the customer is not asked again; only with consent"),
        may("version", Form::Whole(1, 1_000_000), "a yes to another version does not cover this one"),
        may(
            "notice",
            Form::Exact,
            "the text that the customer is shown: a file in the folder `notices`, such as `notices/advice-v1.md`",
        ),
        may(
            "gpc",
            Form::Word(|| words(&GpcMeaning::NAMES)),
            "it sells or shares data: a browser's `Sec-GPC: 1` (or `1, 1`) is an objection to it",
        ),
        may("retired", Form::Flag, "it has ended: data kept for it alone is deleted, and no rule may name it"),
    ],
    needs: Needs::Nothing,
};

/// One attribute.
pub static ATTRIBUTE: Shape = Shape {
    what: "an attribute",
    alone: "type",
    keys: &[
        must("type", TYPE, "what kind of value it has"),
        may("one_of", ONE_OF, "the only values; for `text` and `list`"),
        may("purposes", PURPOSES, "who may read it"),
        may("personal", Form::Flag, "says that it is not personal data, and so serves every purpose"),
        may("sensitivity", SENSITIVITY, "how personal it feels to be shown that you know it"),
    ],
    needs: Needs::AnyOf(&[&["purposes"], &["personal"]]),
};

/// One context fact.
pub static CONTEXT: Shape = Shape {
    what: "a context fact",
    alone: "type",
    keys: &[
        must("type", TYPE, "what kind of value it has"),
        may("one_of", ONE_OF, "the only values; a question with another one is refused"),
        must("personal", Form::False, "context must not be personal data; send that as attributes"),
    ],
    needs: Needs::Nothing,
};

/// One event.
pub static EVENT: Shape = Shape {
    what: "an event",
    alone: "",
    keys: &[
        may(
            "fields",
            Form::NewNames(Name::Field, &Form::Either(&[TYPE, Form::Map(&FIELD)])),
            "name: type, or name: `{type, one_of, purposes}` with fewer purposes",
        ),
        must("purposes", PURPOSES, "the purposes that may count it"),
        may("hurt", POINTS, "how bad an experience it is, in points"),
        may(
            "repairs",
            Form::Either(&[Form::Name(Name::Event), Form::List(&Form::Name(Name::Event), 0)]),
            "the other events whose hurt it ends for good, if they came before it",
        ),
        must("keep", Form::Period, "how long it is kept"),
        may("sensitivity", SENSITIVITY, "how personal it feels to be shown that you know it"),
        may("late", Form::Period, "how late it may arrive for journeys to follow it as if it had come in order"),
    ],
    needs: Needs::Nothing,
};

/// A field of an event, if it is more than a type.
pub static FIELD: Shape = Shape {
    what: "a field",
    alone: "type",
    keys: &[
        must("type", TYPE, "what kind of value it has"),
        may("one_of", ONE_OF, "the only values; for `text` and `list`"),
        may("purposes", PURPOSES, "the purposes that may read it: the event's, or fewer"),
    ],
    needs: Needs::Nothing,
};

/// One channel.
pub static CHANNEL: Shape = Shape {
    what: "a channel",
    alone: "direction",
    keys: &[
        must("direction", Form::Word(|| words(&Direction::NAMES)), "who starts it: the customer, or we"),
        must(
            "interruption",
            Form::Either(&[POINTS, Form::Names(Name::Activity, &POINTS)]),
            "by value of `context.activity`, or `default`",
        ),
        may("quiet_hours", Form::Map(&QUIET_HOURS), "when nothing is said here, by the customer's clock"),
        may("reserve_for", Form::Period, "inbound: how long an unconfirmed step counts"),
    ],
    needs: Needs::Nothing,
};

/// The quiet hours of a channel.
pub static QUIET_HOURS: Shape = Shape {
    what: "quiet hours",
    alone: "",
    keys: &[
        must("from", Form::TimeOfDay, "silence from here, as `\"21:00\"`"),
        must("to", Form::TimeOfDay, "to here; this moment is not included"),
        must(
            "otherwise",
            Form::Word(|| words(&Otherwise::NAMES)),
            "`wait`: the answer says when to ask again; `drop`: it does not",
        ),
    ],
    needs: Needs::Nothing,
};
