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

pub(super) const INVISIBLE_CHARACTER: &str = r#"A character stands here that nobody sees, or that looks like a
space and is none. They come along when text is copied from a chat, a web page or
a document. In a name, a word, an expression or the indentation it makes another
name of it: a comparison with `"receipt<U+200B>"` never comes out true. Remove it.
In a condition that means one, write its escape: `"receipt\u200b"`.

Texts that people read may hold what does something there: no-break and other
spaces, soft hyphens, marks of direction, and joiners between emoji or in
scripts that need them. Others can be written as escapes inside "...".

Wrong:

    kind: offer<U+200B>

Right:

    kind: offer
"#;
