//! The shapes of test files, in the words of `rules::shape`.

use crate::domain::action::Outcome;
use crate::domain::consent::ConsentStatus;
use crate::domain::decide::{Gate, SilenceReason};
use crate::engine::MOST_ACTIONS;
use crate::rules::shape::{Form, Name, Needs, Shape, may, must, words};

const ACTION: Form = Form::Name(Name::Action);
const CHANNEL: Form = Form::Name(Name::Channel);

/// A file that holds tests.
pub static TEST_FILE: Shape = Shape {
    what: "a test file",
    alone: "",
    keys: &[must("tests", Form::List(&Form::Map(&TEST), 0), "tests of the rules, each in virtual time")],
    needs: Needs::Nothing,
};

/// One test.
pub static TEST: Shape = Shape {
    what: "a test",
    alone: "",
    keys: &[
        must("name", Form::Text, "a sentence that says what is promised"),
        must("at", Form::Moment, "the moment of the question"),
        may("given", Form::List(&Form::Map(&GIVEN), 0), "what happened before, a list"),
        must("decide", Form::Map(&QUESTION), "the question: `{channel, context, groups, max_actions}`"),
        must("expect", Form::Map(&EXPECTATION), "the expected answer"),
    ],
    needs: Needs::Nothing,
};

/// What happened before.
pub static GIVEN: Shape = Shape {
    what: "an entry of `given`",
    alone: "",
    keys: &[
        may("event", Form::Map(&GIVEN_EVENT), "an event"),
        may("consent", Form::Map(&GIVEN_CONSENT), "a consent that was given, refused or withdrawn"),
        may("attributes", Form::Names(Name::Attribute, &Form::Fact), "attributes that were set; `null` removes one"),
        may("outcome", Form::Map(&GIVEN_OUTCOME), "the outcome of an action"),
        may("decide", Form::Map(&QUESTION), "an earlier question; the chosen steps count as reserved"),
        may("time_zone", Form::Zone, "the customer's time zone; alone, or beside `attributes`"),
        may("ago", Form::Period, "this long before the moment of the question"),
        may("at", Form::Moment, "at this moment"),
    ],
    needs: Needs::AnyOf(&[&["event"], &["consent"], &["attributes"], &["outcome"], &["decide"], &["time_zone"]]),
};

/// An event that happened.
pub static GIVEN_EVENT: Shape = Shape {
    what: "an event that happened",
    alone: "type",
    keys: &[
        must("type", Form::Name(Name::Event), "which event"),
        may("id", Form::Exact, "the same id counts once"),
        may("channel", CHANNEL, "on which channel"),
        may("fields", Form::Names(Name::Field, &Form::Fact), "its fields"),
    ],
    needs: Needs::Nothing,
};

/// A consent change.
pub static GIVEN_CONSENT: Shape = Shape {
    what: "a consent change",
    alone: "purpose",
    keys: &[
        may("purpose", Form::Name(Name::Purpose), "the purpose; left out for a status that concerns everything"),
        must("status", Form::Word(|| words(&ConsentStatus::NAMES)), "what was said"),
        may("valid_until", Form::Moment, "a grant ends here"),
    ],
    needs: Needs::Nothing,
};

/// The outcome of an action.
pub static GIVEN_OUTCOME: Shape = Shape {
    what: "an outcome",
    alone: "action",
    keys: &[
        must("action", ACTION, "of which action"),
        must("outcome", Form::Word(|| words(&Outcome::NAMES)), "what the customer did"),
        may("channel", CHANNEL, "on which channel"),
        may("id", Form::Exact, "the same id counts once"),
    ],
    needs: Needs::Nothing,
};

/// A question.
pub static QUESTION: Shape = Shape {
    what: "a question",
    alone: "channel",
    keys: &[
        must("channel", CHANNEL, "on which channel"),
        may("context", Form::Names(Name::Context, &Form::Fact), "context facts"),
        may("groups", Form::List(&Form::Name(Name::Group), 0), "only actions of these groups"),
        may("max_actions", Form::Whole(0, MOST_ACTIONS), "at most this many actions; 1 by default"),
    ],
    needs: Needs::Nothing,
};

/// The expectations of a test.
pub static EXPECTATION: Shape = Shape {
    what: "an expectation",
    alone: "action",
    keys: &[
        may("action", ACTION, "exactly this one action is chosen"),
        may("actions", Form::List(&ACTION, 0), "exactly these are chosen, in this order"),
        may("silence", Form::Word(|| words(&SilenceReason::NAMES)), "nothing is said, for this reason"),
        may(
            "why_not",
            Form::Either(&[Form::Map(&WHY_NOT), Form::List(&Form::Map(&WHY_NOT), 1)]),
            "`{action, gate}`, or a list of them: this action drops out at this gate",
        ),
        may("text", Form::Text, "the first action has this text, word for word"),
        may("retry_after", Form::Moment, "the first moment at which something would be said"),
    ],
    needs: Needs::AnyOf(&[&["action"], &["actions"], &["silence"], &["why_not"]]),
};

/// The gate at which an action must drop out.
pub static WHY_NOT: Shape = Shape {
    what: "`why_not`",
    alone: "action",
    keys: &[
        must("action", ACTION, "the action that is not chosen"),
        must("gate", Form::Word(|| words(&Gate::NAMES)), "where it drops out"),
    ],
    needs: Needs::Nothing,
};
