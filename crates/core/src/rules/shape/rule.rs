//! The shapes of rules: journeys, actions, limits, conditions, the policy.

use super::declaration::{POINTS, SENSITIVITY};
use super::{Form, Key, Name, Needs, Shape, may, must, words};
use crate::domain::action::ActionKind;
use crate::rules::code::ALLOWABLE;
use crate::rules::diagnostic::Severity;
use crate::rules::section::limit::COUNTED;

const CONDITIONS: Form = Form::List(&Form::Condition, 1);
const OUTCOME: Form = Form::Word(|| words(&COUNTED));
const KIND: Form = Form::Explained(|| ActionKind::NAMES.map(|(name, kind)| (name, kind.about())).to_vec());

/// One journey.
pub static JOURNEY: Shape = Shape {
    what: "a journey",
    alone: "",
    keys: &[
        must("purpose", Form::Name(Name::Purpose), "whose data moves it, and whose actions may read it"),
        may("sensitivity", SENSITIVITY, "how personal it feels to be shown that you know the stage"),
        must(
            "start",
            Form::Either(&[Form::Map(&START), Form::List(&Form::Map(&START), 1)]),
            "any of these starts it; `when` is optional",
        ),
        may("again_after", Form::Period, "how long after its end it may start again"),
        must("stages", Form::NewNames(Name::Stage, &Form::Map(&STAGE)), "it starts in the first one"),
    ],
    needs: Needs::Nothing,
};

/// What starts a journey.
pub static START: Shape = Shape {
    what: "a start",
    alone: "event",
    keys: &[
        must("event", Form::Name(Name::Event), "when this event is recorded"),
        may("when", Form::Condition, "and this is true; `event.page` is the event's field `page`"),
    ],
    needs: Needs::Nothing,
};

/// One stage of a journey.
pub static STAGE: Shape = Shape {
    what: "a stage",
    alone: "",
    keys: &[
        may("moves", Form::List(&Form::Map(&MOVE), 0), "ways out, tried in the order written"),
        may("goal", Form::Flag, "the journey has reached its goal, and ended"),
        may("end", Form::Flag, "the journey has ended without its goal"),
    ],
    needs: Needs::Nothing,
};

/// A way out of a stage.
pub static MOVE: Shape = Shape {
    what: "a move",
    alone: "to",
    keys: &[
        must("to", Form::Name(Name::Stage), "the stage it leads to"),
        may("event", Form::Name(Name::Event), "when this event is recorded"),
        may("when", Form::Condition, "and this is true; alone, checked whenever something is recorded"),
        may("after", Form::Period, "this long after the stage was entered"),
    ],
    needs: Needs::AnyOf(&[&["event"], &["when"], &["after"]]),
};

/// One action.
pub static ACTION: Shape = Shape {
    what: "an action",
    alone: "",
    keys: &[
        must("id", Form::NewName(Name::Action), "how rules, answers and tests name it"),
        must("title", Form::Text, "for people; it cannot contain facts"),
        must("kind", KIND, "what it is to the customer"),
        may("group", Form::NewName(Name::Group), "to ask for some actions only, and for limits over several"),
        must(
            "purpose",
            Form::Name(Name::Purpose),
            "whose facts it may read; without its lawful basis the action is not taken",
        ),
        may("asks", Form::Name(Name::Purpose), "the consent it asks for; required for `consent_ask`, only there"),
        may("eligible", CONDITIONS, "may we ever?"),
        may("applicable", CONDITIONS, "does it fit now?"),
        may("suitable", CONDITIONS, "is it good for them?"),
        may("relevance", Form::Map(&RELEVANCE), "how much it matters to the customer now"),
        may("worth", Form::Number(0.0, 100.0), "factor on relevance"),
        must("intrusiveness", POINTS, "points against it, whatever the channel and the moment"),
        may("limits", Form::List(&Form::Map(&ACTION_LIMIT), 0), "of this action alone"),
        may("from", Form::Moment, "its season begins"),
        may("until", Form::Moment, "its season ends; this moment is not included"),
        may("excludes", Form::List(&Form::Name(Name::Action), 0), "not in one answer with these; it holds both ways"),
        must(
            "treatments",
            Form::Names(Name::Channel, &Form::Map(&TREATMENT)),
            "how it looks; it is not said on a channel without one",
        ),
        may("allow", Form::List(&Form::Word(|| words(&ALLOWABLE)), 0), "warnings about it that are intended"),
    ],
    needs: Needs::AnyOf(&[&["relevance"], &["asks"]]),
};

/// Points of relevance.
pub static RELEVANCE: Shape = Shape {
    what: "relevance",
    alone: "base",
    keys: &[
        may("base", Form::Number(0.0, 100.0), "points it always has; a consent ask has none"),
        may("add", Form::List(&Form::Map(&ADDED), 0), "points that count while something is true"),
    ],
    needs: Needs::Nothing,
};

/// Points that count under a condition.
pub static ADDED: Shape = Shape {
    what: "points",
    alone: "points",
    keys: &[
        must("points", Form::Number(-1_000.0, 1_000.0), "how many; they may be below zero"),
        must("when", Form::Condition, "while this is true"),
        may("because", Form::Text, "the reason in words that a person can say aloud; it may contain facts"),
    ],
    needs: Needs::Nothing,
};

/// How an action looks on one channel.
pub static TREATMENT: Shape = Shape {
    what: "a treatment",
    alone: "text",
    keys: &[
        may("content", Form::Exact, "a key to content kept elsewhere"),
        may("text", Form::Text, "a text to show or say; it may contain facts, as `{customer.contract}`"),
    ],
    needs: Needs::AnyOf(&[&["content"], &["text"]]),
};

/// A condition that contains others.
pub static CONDITION_GROUP: Shape = Shape {
    what: "a group of conditions",
    alone: "",
    keys: &[
        may("all", Form::List(&Form::Condition, 1), "every one of these must be true"),
        may("any", Form::List(&Form::Condition, 1), "at least one of these must be true"),
        may("none", Form::List(&Form::Condition, 1), "none of these may be true or unknown"),
    ],
    needs: Needs::OneOf(&[&["all"], &["any"], &["none"]]),
};

const AT_MOST: Key = may("at_most", Form::Whole(1, 100), "how many contacts are allowed");
const PER: Key = may("per", Form::Period, "within any span of this length");
const COUNTING: Key = may("outcome", OUTCOME, "counting these instead of contacts");
const AFTER: Key = may("after", OUTCOME, "nothing after this outcome");
const WAIT: Key = may("wait", Form::Period, "for so long");
const LABEL: Key = may("id", Form::Text, "how answers name it");
const CHANNELS: Key =
    may("channels", Form::List(&Form::Name(Name::Channel), 1), "counts and stops on these channels only");
const LIMIT_OR_COOL_DOWN: Needs = Needs::OneOf(&[&["at_most", "per"], &["after", "wait"]]);

/// A limit or a cool-down of one action.
pub static ACTION_LIMIT: Shape = Shape {
    what: "a limit of an action",
    alone: "at_most",
    keys: &[LABEL, AT_MOST, PER, COUNTING, AFTER, WAIT, CHANNELS],
    needs: LIMIT_OR_COOL_DOWN,
};

/// A limit or a cool-down of the policy.
pub static POLICY_LIMIT: Shape = Shape {
    what: "a limit",
    alone: "at_most",
    keys: &[
        LABEL,
        AT_MOST,
        PER,
        COUNTING,
        AFTER,
        WAIT,
        CHANNELS,
        may("kinds", Form::List(&KIND, 1), "counts and stops these kinds only"),
        may(
            "groups",
            Form::List(&Form::Name(Name::Group), 1),
            "counts and stops these groups only; some action must have each",
        ),
    ],
    needs: LIMIT_OR_COOL_DOWN,
};

/// The policy. Its keys may be in several files, so none is required in a single file.
pub static POLICY: Shape = Shape {
    what: "the policy",
    alone: "",
    keys: &[
        may("arbitration", Form::Map(&ARBITRATION), "how relevance is weighed against intrusiveness"),
        may("pressure", Form::Map(&PRESSURE), "how contacts add up, and fade"),
        may("hurt", Form::Map(&HURT), "how bad experiences add up, and fade"),
        may("limits", Form::List(&Form::Map(&POLICY_LIMIT), 0), "over many actions"),
        may("retry_within", Form::Period, "a silence names no later moment to ask again"),
        may("time_zone", Form::Zone, "for customers whose own is unknown"),
        may("lints", Form::List(&Form::Map(&LINT), 0), "your own checks of every action"),
    ],
    needs: Needs::Nothing,
};

/// A lint of the policy.
pub static LINT: Shape = Shape {
    what: "a lint",
    alone: "when",
    keys: &[
        must("when", Form::Condition, "what is wrong, in terms of `action.*`"),
        must("message", Form::Text, "what `check` prints"),
        may("severity", Form::Word(|| words(&Severity::NAMES)), "whether such rules still load"),
    ],
    needs: Needs::Nothing,
};

/// The weights of the score.
pub static ARBITRATION: Shape = Shape {
    what: "arbitration",
    alone: "",
    keys: &[
        may("personal_discount", Form::Number(0.0, 1.0), "relevance lost to the most personal fact"),
        may("weights", Form::Map(&WEIGHTS), "what counts how much against an action"),
        may("threshold", POINTS, "a score must be above this"),
    ],
    needs: Needs::Nothing,
};

/// The weights of intrusiveness.
pub static WEIGHTS: Shape = Shape {
    what: "weights",
    alone: "",
    keys: &[
        may("personal", POINTS, "points against, for the most personal fact"),
        may("pressure", POINTS, "points against, for each point of pressure"),
        may("hurt", POINTS, "points against, for each point of hurt"),
    ],
    needs: Needs::Nothing,
};

/// How contacts add up.
pub static PRESSURE: Shape = Shape {
    what: "pressure",
    alone: "",
    keys: &[
        must("half_life", Form::Period, "after this time a contact weighs half"),
        must("per_contact", Form::Names(Name::Channel, &POINTS), "every channel must be listed"),
    ],
    needs: Needs::Nothing,
};

/// How bad experiences add up.
pub static HURT: Shape = Shape {
    what: "hurt",
    alone: "",
    keys: &[
        must("half_life", Form::Period, "after this time an experience weighs half"),
        may("per_outcome", Form::Words(|| words(&COUNTED), &POINTS), "as `{complained: 40}`; only time reduces it"),
    ],
    needs: Needs::Nothing,
};
