//! Long explanations: what keeps a file from being read as YAML (T00xx).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const FILE_TOO_LARGE: &str = "The file is larger than the limit for one file.";
pub(super) const CONTROL_CHARACTER: &str = "A NUL byte or another control character stands in the file.";
pub(super) const TAB_INDENT: &str = "A line is indented with a tab.";
pub(super) const EMPTY_FILE: &str = "The file holds nothing, or comments only.";
pub(super) const SEVERAL_DOCUMENTS: &str = "A second `---` document stands in the file.";
pub(super) const NESTED_TOO_DEEP: &str = "Lists and maps are nested deeper than the limit.";
pub(super) const TOO_MANY_NODES: &str = "The file holds more values than the limit.";
pub(super) const ANCHOR: &str = "An anchor (`&name`) stands in the file.";
pub(super) const ALIAS: &str = "An alias (`*name`) stands in the file.";
pub(super) const TAG: &str = "A tag (`!name`) stands in the file.";
pub(super) const MERGE_KEY: &str = "A merge key (`<<`) stands in the file.";
pub(super) const DUPLICATE_KEY: &str = "A key stands twice in one map.";
pub(super) const COMPLEX_KEY: &str = "A key is a list or a map, or has no text.";
pub(super) const YAML_SYNTAX: &str = "The YAML parser cannot make sense of the text.";
pub(super) const YAML_UNCLOSED: &str = "A bracket, brace or quote is never closed.";
pub(super) const AMBIGUOUS_BOOLEAN: &str = "Some YAML readers take the text for true or false.";
pub(super) const RESERVED_START: &str = "An expression begins with a sign that YAML keeps for itself.";
pub(super) const COMMENT_CUT: &str = "A ` #` cuts a value in the middle of a quote or bracket.";
pub(super) const FOLDED_LINE: &str = "An over-indented line became part of the value above.";
pub(super) const FLOW_SPLIT: &str = "Commas, brackets or braces split an expression inside flow style.";
pub(super) const READERS_DISAGREE: &str = "Two YAML readers read different things from the same text.";
pub(super) const AMBIGUOUS_NUMBER: &str = "Some YAML readers take the text for another number.";
pub(super) const DIRECTIVE: &str = "A `%` directive stands in the file.";
pub(super) const NOT_UTF8: &str = "The file is not encoded in UTF-8.";
pub(super) const UNREADABLE_FILE: &str = "The file or folder could not be read from disk.";
pub(super) const NO_RULE_FILES: &str = "The folder holds no `*.yaml` file.";
pub(super) const COLON_IN_VALUE: &str = "A `: ` inside an unquoted value makes YAML see a second key.";
pub(super) const MISSING_BLANK: &str = "A blank is missing after a `:` or a `-`, or before a `#`.";
