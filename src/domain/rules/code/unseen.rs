//! Long explanations: what a person does not see in a text (T0031 and on).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const COMMENT_BEHIND_TEXT: &str = r#"A blank and a `#` begin a comment in YAML. Behind a text
without quotes nobody can tell whether the comment is meant or the text goes on:
the customer would read `Your offer`. Quote the text; a comment about it gets a
line of its own, or stands behind the closing quote. Behind names, numbers,
flags, lengths of time, expressions and brackets a comment is a comment.

Wrong:

    text: Your offer #1 is waiting

Right:

    text: "Your offer #1 is waiting"
"#;
