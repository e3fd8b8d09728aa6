//! Long explanations: what a person does not see in a text (from T0031).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const COMMENT_BEHIND_TEXT: &str = r#"A space and a `#` begin a comment in YAML. After a text
without quotes, the comment may be meant, or it may be the rest of the text: the
customer would read `Your offer`. Quote the text; a comment about it gets a
line of its own, or stands after the closing quote. After a name, a
number, a flag, a duration, an expression or a bracket, a comment is a comment.

Wrong:

    text: Your offer #1 is waiting

Right:

    text: "Your offer #1 is waiting"
"#;

pub(super) const INVISIBLE_CHARACTER: &str = r#"This character is invisible, or looks like a space and is not
one. Such characters come along when text is copied from a chat, a web page or a
document. A name with one is another name: a comparison with
`"receipt<U+200B>"` is never true. Remove it. If a condition needs one, write its
escape: `"receipt\u200b"`.

Texts that people read may hold those that have an effect there: no-break and
other spaces, soft hyphens, marks of direction, and joiners between emoji or in
scripts that need them. Others can be written as escapes inside "...".

Wrong:

    kind: offer<U+200B>

Right:

    kind: offer
"#;
