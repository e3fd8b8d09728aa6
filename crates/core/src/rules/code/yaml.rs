//! Long explanations: what keeps a file from being read as YAML (T00xx).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const FILE_TOO_LARGE: &str = r"A rule file may have at most 1 MiB, so that no file can keep a
server busy while it reloads. Sections of the same name in several files are
merged: split the file by theme.

Wrong:

    rules/everything.yaml            (2 MiB)

Right:

    rules/purposes.yaml
    rules/actions/broadband.yaml
    rules/actions/mobile.yaml
";

pub(super) const CONTROL_CHARACTER: &str = r#"The file holds a character that is invisible: a NUL byte,
a control character, a lone carriage return, a line separator that only some
YAML readers take for a line break, or a sign that reverses the direction of
text and so hides what a rule really says. They usually come from text that
was copied from another program. Remove it; where a text needs one, write its
escape inside "...".

Wrong:

    title: Fibre<U+202E>...

Right:

    title: "Fibre\u200e"
"#;

pub(super) const TAB_INDENT: &str = r"YAML forbids tabs in the indentation, because their width differs from
editor to editor. Set the editor to insert spaces; two for each level are
customary.

Wrong:

    purposes:
    <tab>service: {basis: contract}

Right:

    purposes:
      service: {basis: contract}
";

pub(super) const EMPTY_FILE: &str = r"The file holds nothing, or comments only. An empty file was often cut off
while it was written, so it does not count as a file without rules. Fill it or
remove it.

Wrong:

    # actions follow

Right:

    actions:
      - id: fibre-upgrade
        kind: offer
";

pub(super) const SEVERAL_DOCUMENTS: &str = r"A line `---` begins a second YAML document. Many tools read
only the first one and drop the rest silently. Put each document into a file of
its own.

Wrong:

    purposes: {...}
    ---
    actions: [...]

Right:

    purposes: {...}
    actions: [...]
";

pub(super) const NESTED_TOO_DEEP: &str = r"Lists and maps may nest 64 levels deep. No rule needs more; text
that does is damaged or hostile.

Wrong:

    [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[

Right:

    [[a, b], [c, d]]
";

pub(super) const TOO_MANY_NODES: &str = r"A file may have 60,000 keys and values, and as many lines. Split
it: sections of the same name in several files are merged.

Wrong:

    actions:                # 10,000 actions in one file

Right:

    actions:                # some hundreds in each of several files
";

pub(super) const ANCHOR: &str = r"An anchor (`&name`) marks a value so that an alias (`*name`) can repeat
it. Rule files have neither: a reader of a rule should see all of it in one
place, and a few nested aliases can stand for billions of values. Write the
value out wherever it is needed. If an expression was meant, quote all of it.

Wrong:

    limits: &limits [{at_most: 1, per: 30 days}]

Right:

    limits: [{at_most: 1, per: 30 days}]
";

pub(super) const ALIAS: &str = r"An alias (`*name`) repeats the value marked by an anchor (`&name`). Rule
files have neither: a reader of a rule should see all of it in one place, and a
few nested aliases can stand for billions of values. Write the value out
wherever it is needed. If an expression was meant, quote all of it.

Wrong:

    limits: *limits

Right:

    limits: [{at_most: 1, per: 30 days}]
";

pub(super) const TAG: &str = r#"A tag (`!name`, `!!str`) tells a YAML reader the type of a value, and differs
between readers. Rule files have no tags: a text is marked by quotes. If an
expression was meant, quote all of it.

Wrong:

    content: !!str 1.10

Right:

    content: "1.10"
"#;

pub(super) const MERGE_KEY: &str = r"`<<` merges another map into this one in some YAML readers; in others
it is a key like any other. Write the keys out.

Wrong:

    web:
      <<: *inbound
      interruption: 5

Right:

    web:
      direction: inbound
      interruption: 5
";

pub(super) const DUPLICATE_KEY: &str = r"A key occurs twice in one map. Some YAML readers keep the first
value, some the last, some refuse: the meaning of a rule would depend on its
reader. Remove one of the two, or merge their values.

Wrong:

    kind: offer
    kind: service

Right:

    kind: offer
";

pub(super) const COMPLEX_KEY: &str = r"YAML lets a list, a map or nothing at all be a key. In rule files
every key is a text.

Wrong:

    ? [web, phone]
    : {interruption: 5}

Right:

    web:   {interruption: 5}
    phone: {interruption: 5}
";

pub(super) const YAML_SYNTAX: &str = r"The text is not valid YAML. Most often an indentation is wrong: all
keys of a map, and all dashes of a list, begin in the same column, and what
belongs to a key is indented deeper than the key.

Wrong:

    web:
        direction: inbound
      interruption: 5

Right:

    web:
      direction: inbound
      interruption: 5
";

pub(super) const YAML_UNCLOSED: &str = r#"A `[`, a `{`, a `"` or a `'` is opened and never closed, or closed
with the wrong sign. What follows it is therefore read as part of the value. An
apostrophe inside '...' is written twice.

Wrong:

    one_of: [none, dsl
    title: 'Fibre at today's price'

Right:

    one_of: [none, dsl]
    title: 'Fibre at today''s price'
"#;

pub(super) const AMBIGUOUS_BOOLEAN: &str = r#"`on`, `off`, `yes`, `no`, `y` and `n` are true or false to a
YAML 1.1 reader and text to a YAML 1.2 reader (Norway's `NO` is the famous
case). A key that looks like true, false or null has the same fault. Rule files mean
the same in every reader, so such words must be quoted. A flag is written `true`
or `false`.

Wrong:

    one_of: [yes, no]
    personal: no

Right:

    one_of: ["yes", "no"]
    personal: false
"#;

pub(super) const RESERVED_START: &str = r#"YAML keeps some signs at the beginning of a value for itself: `!`
is a tag, `&` an anchor, `*` an alias, `|` and `>` begin a text block, `[` and
`{` a list and a map, `"` and `'` a quoted text, and `%`, `@` and the backtick
may not begin a value at all. An expression that begins with one of them is
quoted as a whole.

Wrong:

    eligible:
      - !has(customer.contract)
      - "dsl" == customer.contract

Right:

    eligible:
      - '!has(customer.contract)'
      - '"dsl" == customer.contract'
"#;

pub(super) const COMMENT_CUT: &str = r#"A space and a `#` begin a comment, even in the middle of an
expression: the value ends before them, inside an open bracket or quote. Quote
the whole expression.

Wrong:

    when: context.topic == "offer #1"

Right:

    when: 'context.topic == "offer #1"'
"#;

pub(super) const FOLDED_LINE: &str = r"A line is indented deeper than the value above it, so YAML takes it
for a continuation of that value instead of a line of its own. Align it with the
line above, or leave that value empty if the line belongs below it.

Wrong:

    kind: offer
      group: broadband

Right:

    kind: offer
    group: broadband
";

pub(super) const FLOW_SPLIT: &str = r#"Inside `{...}` and `[...]` YAML ends a value at `,`, `[`, `]`, `{` and
`}`, whatever the expression means by them. Quote the whole expression, or give
it a line of its own.

Wrong:

    - {points: 5, when: context.topic in ["speed", "price"]}

Right:

    - {points: 5, when: 'context.topic in ["speed", "price"]'}
"#;

pub(super) const READERS_DISAGREE: &str = r#"Two independent YAML readers read this text differently. It uses
a corner of YAML that rules should not depend on. Write it more simply; put text
in quotes.

Wrong:

    text: |2
        two
       three

Right:

    text: "two three"
"#;

pub(super) const AMBIGUOUS_NUMBER: &str = r#"`21:00` is 1260 to a YAML 1.1 reader and text to a YAML 1.2
reader; `010` is 8, 10 or text; `0o10`, `0b1`, `1_000`, `1e3`, `.inf` and `.nan`
differ likewise. Write plain decimal numbers, and put times and other text in
quotes.

Wrong:

    from: 21:00
    at_most: 010

Right:

    from: "21:00"
    at_most: 10
"#;

pub(super) const DIRECTIVE: &str = r"A line that begins with `%` is a directive to the YAML reader (`%YAML
1.2`, `%TAG`). Rule files need none. If it is part of a text, indent it or quote
the text.

Wrong:

    %YAML 1.2
    ---
    purposes: {...}

Right:

    purposes: {...}
";

pub(super) const NOT_UTF8: &str = r"Rule files are encoded in UTF-8. This one holds bytes that are not, so
it was probably saved as Latin-1 or UTF-16. Save it as UTF-8.

Wrong:

    title: Gr<FC>n surfen            (Latin-1)

Right:

    title: Grün surfen            (UTF-8)
";

pub(super) const UNREADABLE_FILE: &str = r"The file or the folder could not be read from disk. Look at the
path and at the permissions; while rules are being replaced, put a whole folder
in place at once.

Wrong:

    tactful check rulse/

Right:

    tactful check rules/
";

pub(super) const NO_RULE_FILES: &str = r"The folder holds no rule file: none whose name ends in `.yaml` or `.yml`
and does not begin with a dot. Files ending in `.test.yaml` hold tests only.

Wrong:

    rules/actions.txt

Right:

    rules/actions.yaml
";

pub(super) const COLON_IN_VALUE: &str = r#"A colon followed by a space separates a key from its value, so a
second one inside a value makes YAML see a second key. Quote the whole value.

Wrong:

    title: Fibre: at today's price
    when: has(customer.age) ? customer.age >= 18 : false

Right:

    title: "Fibre: at today's price"
    when: 'has(customer.age) ? customer.age >= 18 : false'
"#;

pub(super) const MISSING_BLANK: &str = r"A `:` separates a key from its value, and a `-` begins a list item,
only if a space follows; a `#` begins a comment only after a space.

Wrong:

    context:
      topic:
        type: text
        personal:false

Right:

    context:
      topic:
        type: text
        personal: false
";

pub(super) const CUT_OFF: &str = r"The file begins with `---`, the mark that opens a YAML document, and
does not end with `...`, the mark that closes it. Perhaps a copy was interrupted
or the disk was full: the rest of a file is often valid YAML that lacks the last
limits and conditions. See whether something is missing, then close it.

Wrong:

    ---
    policy:
      limits:
        - {at_most: 3, per: 7 days}

Right:

    ---
    policy:
      limits:
        - {at_most: 3, per: 7 days}
        - {after: complained, wait: 30 days}
    ...
";

pub(super) const OPEN_END: &str = r"Nothing in the file shows where it ends, so it would go unnoticed if
an interrupted copy or a full disk cut off its last lines. This is a warning: the
rules work. Begin the file with a line `---` and end it with a line `...`; then a
file that was cut off is refused, wherever the cut is.

Wrong:

    channels:
      web: {direction: inbound, interruption: 5}

Right:

    ---
    channels:
      web: {direction: inbound, interruption: 5}
    ...
";
