//! What one scalar of YAML is read into, by the form of its key: bounds and words stand in the `shape` alone.

use super::reader;
use super::shape::Form;
use super::sink::Sink;
use super::source::Node;
use crate::domain::time::{Moment, Period, TimeOfDay};
use crate::domain::word::Word;

/// A value that a key of a rule file can have.
pub trait Scalar: Sized {
    /// Whether a key of this form has such a value.
    fn fits(form: &Form) -> bool;

    /// Reads it, within the bounds of the form; reports what does not fit.
    fn read(node: &Node, form: &Form, sink: &Sink) -> Option<Self>;
}

/// Reads a value of a form, or of one of its forms.
pub fn read<T: Scalar>(node: &Node, form: &Form, sink: &Sink) -> Option<T> {
    let form = match form {
        Form::Either(forms) => forms.iter().find(|form| T::fits(form)).unwrap_or(form),
        form => form,
    };
    debug_assert!(T::fits(form), "the shape says {form:?} where another type is read");
    T::read(node, form, sink)
}

impl Scalar for f64 {
    fn fits(form: &Form) -> bool {
        matches!(form, Form::Number(..))
    }

    fn read(node: &Node, form: &Form, sink: &Sink) -> Option<Self> {
        let Form::Number(least, most) = form else { return None };
        reader::number(node, (*least, *most), sink)
    }
}

impl Scalar for u32 {
    fn fits(form: &Form) -> bool {
        matches!(form, Form::Whole(..))
    }

    fn read(node: &Node, form: &Form, sink: &Sink) -> Option<Self> {
        let Form::Whole(least, most) = form else { return None };
        reader::whole(node, (*least, *most), sink)
    }
}

impl Scalar for String {
    fn fits(form: &Form) -> bool {
        matches!(form, Form::Text | Form::Exact)
    }

    fn read(node: &Node, _: &Form, sink: &Sink) -> Option<Self> {
        reader::text(node, sink).map(str::to_owned)
    }
}

/// A type whose values look alike wherever they stand.
macro_rules! scalar {
    ($type:ty, $form:pat, $read:path) => {
        impl Scalar for $type {
            fn fits(form: &Form) -> bool {
                matches!(form, $form)
            }

            fn read(node: &Node, _: &Form, sink: &Sink) -> Option<Self> {
                $read(node, sink)
            }
        }
    };
}

scalar!(bool, Form::Flag | Form::False, reader::flag);
scalar!(Period, Form::Period, reader::period);
scalar!(Moment, Form::Moment, reader::moment);
scalar!(TimeOfDay, Form::TimeOfDay, reader::time_of_day);

impl<T: Word> Scalar for T {
    fn fits(form: &Form) -> bool {
        form.words().is_some_and(|words| words.iter().eq(T::WORDS.iter().map(|(word, _)| word)))
    }

    fn read(node: &Node, _: &Form, sink: &Sink) -> Option<Self> {
        reader::one_of(node, T::WORDS, sink)
    }
}

#[cfg(test)]
mod tests {
    use super::{Scalar, read};
    use crate::domain::action::ActionKind;
    use crate::domain::sources::FileId;
    use crate::rules::shape::{ACTION, Form, Name};
    use crate::rules::sink::Sink;
    use crate::rules::source;

    /// What is read of a value, and the first message.
    fn value<T: Scalar>(text: &str, form: &Form) -> (Option<T>, String) {
        let node = source::read(FileId(0), &format!("a: {text}"), &mut Vec::new()).unwrap();
        let source::NodeKind::Map(entries) = node.kind else { panic!("no map") };
        let sink = Sink::default();
        let read = read(&entries[0].value, form, &sink);
        (read, sink.into_sorted().first().map_or_else(String::new, |first| first.message.clone()))
    }

    #[test]
    fn the_bounds_and_words_of_the_shape_hold() {
        let worth = &ACTION.key("worth").unwrap().form;
        assert_eq!(value(" 100", worth), (Some(100.0), String::new()));
        assert_eq!(value::<f64>("101", worth), (None, "101 is not between 0 and 100".into()));
        let kind = &ACTION.key("kind").unwrap().form;
        assert_eq!(value("repair", kind), (Some(ActionKind::Repair), String::new()));
        assert!(value::<ActionKind>("repairs", kind).1.starts_with("`repairs` is not one of offer, "));
        let either = Form::Either(&[Form::Name(Name::Event), Form::Number(0.0, 5.0)]);
        assert_eq!(value::<f64>("6", &either), (None, "6 is not between 0 and 5".into()));
    }

    #[test]
    #[should_panic(expected = "where another type is read")]
    fn a_key_of_another_type_is_a_mistake_in_the_reader() {
        value::<bool>("true", &ACTION.key("worth").unwrap().form);
    }
}
