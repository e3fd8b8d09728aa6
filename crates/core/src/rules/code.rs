//! The codes of all mistakes in rule files, and the texts of `tactful explain`.
//!
//! A code never changes its meaning, and a retired code is never reused. T00xx is YAML, T01xx the shape of documents,
//! T02xx expressions, T03xx warnings, T04xx rule tests. The long texts are in the child modules, one for each range.

mod document;
mod expression;
mod lint;
mod rule_test;
mod unseen;
mod yaml;

use crate::rules::diagnostic::Code;

/// The file is larger than the limit for one file.
pub const FILE_TOO_LARGE: Code = Code(1);
/// The file contains a NUL byte or another control character.
pub const CONTROL_CHARACTER: Code = Code(2);
/// A line is indented with a tab.
pub const TAB_INDENT: Code = Code(3);
/// The file holds nothing, or comments only.
pub const EMPTY_FILE: Code = Code(4);
/// The file contains a second `---` document.
pub const SEVERAL_DOCUMENTS: Code = Code(5);
/// Lists and maps are nested deeper than the limit.
pub const NESTED_TOO_DEEP: Code = Code(6);
/// The file holds more values than the limit.
pub const TOO_MANY_NODES: Code = Code(7);
/// The file contains an anchor (`&name`).
pub const ANCHOR: Code = Code(8);
/// The file contains an alias (`*name`).
pub const ALIAS: Code = Code(9);
/// The file contains a tag (`!name`).
pub const TAG: Code = Code(10);
/// The file contains a merge key (`<<`).
pub const MERGE_KEY: Code = Code(11);
/// A key occurs twice in one map.
pub const DUPLICATE_KEY: Code = Code(12);
/// A key is a list or a map, or has no text.
pub const COMPLEX_KEY: Code = Code(13);
/// The YAML parser cannot make sense of the text.
pub const YAML_SYNTAX: Code = Code(14);
/// A bracket, brace or quote is never closed.
pub const YAML_UNCLOSED: Code = Code(15);
/// Some YAML readers take the text for true or false.
pub const AMBIGUOUS_BOOLEAN: Code = Code(16);
/// An expression begins with a sign that YAML keeps for itself.
pub const RESERVED_START: Code = Code(17);
/// A ` #` cuts a value in the middle of a quote or bracket.
pub const COMMENT_CUT: Code = Code(18);
/// An over-indented line became part of the value above.
pub const FOLDED_LINE: Code = Code(19);
/// Commas, brackets or braces split an expression inside flow style.
pub const FLOW_SPLIT: Code = Code(20);
/// Two YAML readers read different things from the same text.
pub const READERS_DISAGREE: Code = Code(21);
/// Some YAML readers take the text for another number.
pub const AMBIGUOUS_NUMBER: Code = Code(22);
/// The file contains a `%` directive.
pub const DIRECTIVE: Code = Code(23);
/// The file is not encoded in UTF-8.
pub const NOT_UTF8: Code = Code(24);
/// The file or folder could not be read from disk.
pub const UNREADABLE_FILE: Code = Code(25);
/// The folder holds no `*.yaml` file.
pub const NO_RULE_FILES: Code = Code(26);
/// A `: ` inside an unquoted value makes YAML see a second key.
pub const COLON_IN_VALUE: Code = Code(27);
/// A space is missing after a `:` or a `-`, or before a `#`.
pub const MISSING_BLANK: Code = Code(28);
/// The file begins with `---` and does not end with `...`.
pub const CUT_OFF: Code = Code(29);
/// Nothing in the file shows where it ends.
pub const OPEN_END: Code = Code(30);
/// A comment follows a text without quotes, and may be the rest of the text.
pub const COMMENT_BEHIND_TEXT: Code = Code(31);
/// An invisible character changes the meaning of a text.
pub const INVISIBLE_CHARACTER: Code = Code(32);

/// A key has no meaning in its place.
pub const UNKNOWN_KEY: Code = Code(101);
/// A key that has no default is missing.
pub const MISSING_KEY: Code = Code(102);
/// A value has another type than the key needs.
pub const WRONG_TYPE: Code = Code(103);
/// A value is not among those the key allows.
pub const NOT_ONE_OF: Code = Code(104);
/// A name was declared nowhere.
pub const UNKNOWN_NAME: Code = Code(105);
/// Two things of one kind have the same id.
pub const DUPLICATE_ID: Code = Code(106);
/// A number is out of range or not finite.
pub const BAD_NUMBER: Code = Code(107);
/// A duration cannot be read or is out of range.
pub const BAD_DURATION: Code = Code(108);
/// A date or time cannot be read.
pub const BAD_TIME: Code = Code(109);
/// A time zone is not in the IANA data base.
pub const BAD_ZONE: Code = Code(110);
/// A restrictive field was left out, or its value restricts nothing.
pub const NO_DEFAULT_ALLOWED: Code = Code(111);
/// An id holds characters that ids may not have.
pub const BAD_ID: Code = Code(112);
/// There are more things of one kind than the limit.
pub const TOO_MANY: Code = Code(113);
/// A list or map that needs an entry has none.
pub const EMPTY_LIST: Code = Code(114);
/// Two settings exclude each other.
pub const CONTRADICTION: Code = Code(115);
/// A text template cannot be read or names what it may not show.
pub const BAD_TEMPLATE: Code = Code(116);
/// A section that every rule set needs is missing.
pub const MISSING_SECTION: Code = Code(117);
/// A purpose names a notice that is not there, or is empty.
pub const NO_NOTICE: Code = Code(118);

/// The expression cannot be parsed.
pub const EXPRESSION_SYNTAX: Code = Code(201);
/// The expression names a fact that was declared nowhere.
pub const EXPRESSION_UNKNOWN_NAME: Code = Code(202);
/// An operator or function was given a value of the wrong type.
pub const EXPRESSION_WRONG_TYPE: Code = Code(203);
/// A fact is compared with a value that it can never have.
pub const EXPRESSION_NOT_ONE_OF: Code = Code(204);
/// A function was given too few or too many arguments.
pub const EXPRESSION_ARGUMENTS: Code = Code(205);
/// The expression calls a function that does not exist.
pub const EXPRESSION_UNKNOWN_FUNCTION: Code = Code(206);
/// The expression reads a fact that its purpose does not cover.
pub const EXPRESSION_PURPOSE: Code = Code(207);
/// A window is longer than the retention of its events.
pub const EXPRESSION_WINDOW: Code = Code(208);
/// The expression divides by zero.
pub const EXPRESSION_ZERO: Code = Code(209);
/// A pattern given to `matches` cannot be compiled.
pub const EXPRESSION_REGEX: Code = Code(210);
/// The expression exceeds a limit of length, depth or cost.
pub const EXPRESSION_TOO_COSTLY: Code = Code(211);
/// A condition must be true or false; this is something else.
pub const EXPRESSION_NOT_CONDITION: Code = Code(212);
/// A duration in an expression cannot be read.
pub const EXPRESSION_DURATION: Code = Code(213);
/// The fact exists, but not in this place.
pub const EXPRESSION_NOT_HERE: Code = Code(214);
/// A part of the expression is constant.
pub const EXPRESSION_CONSTANT: Code = Code(215);

/// A purpose is declared and used by nothing.
pub const UNUSED_PURPOSE: Code = Code(301);
/// A personal attribute is declared and read by nothing.
pub const UNUSED_ATTRIBUTE: Code = Code(302);
/// An action can never be chosen.
pub const NEVER_WINS: Code = Code(303);
/// No test expects anything of the action.
pub const UNTESTED_ACTION: Code = Code(304);
/// No move leads to the stage, or none leads on.
pub const UNREACHABLE_STAGE: Code = Code(305);
/// Two tests have the same name.
pub const SAME_TEST_NAME: Code = Code(306);
/// No rule follows an event or reads a field of one.
pub const UNUSED_EVENT: Code = Code(307);
/// Conditions contradict each other.
pub const CONTRADICTORY_CONDITIONS: Code = Code(308);
/// A limit never stops anything.
pub const IDLE_LIMIT: Code = Code(309);
/// A consent ask can gain nothing.
pub const NOTHING_TO_GAIN: Code = Code(310);
/// Two actions have the same conditions.
pub const EQUAL_CONDITIONS: Code = Code(311);
/// A lint of the policy found something.
pub const POLICY_LINT: Code = Code(312);

/// The warnings about one action, which that action can allow.
pub const ALLOWABLE: [(&str, Code); 7] = [
    ("T0303", NEVER_WINS),
    ("T0304", UNTESTED_ACTION),
    ("T0308", CONTRADICTORY_CONDITIONS),
    ("T0309", IDLE_LIMIT),
    ("T0310", NOTHING_TO_GAIN),
    ("T0311", EQUAL_CONDITIONS),
    ("T0312", POLICY_LINT),
];

/// A rule test expects another decision than the rules give.
pub const FAILED_TEST: Code = Code(401);

/// Every code with a short title and a long explanation that shows a wrong and a right example.
pub const CATALOGUE: &[(Code, &str, &str)] = &[
    (FILE_TOO_LARGE, "file too large", yaml::FILE_TOO_LARGE),
    (CONTROL_CHARACTER, "invisible character", yaml::CONTROL_CHARACTER),
    (TAB_INDENT, "tab used as indentation", yaml::TAB_INDENT),
    (EMPTY_FILE, "empty file", yaml::EMPTY_FILE),
    (SEVERAL_DOCUMENTS, "more than one document", yaml::SEVERAL_DOCUMENTS),
    (NESTED_TOO_DEEP, "nested too deep", yaml::NESTED_TOO_DEEP),
    (TOO_MANY_NODES, "too many values", yaml::TOO_MANY_NODES),
    (ANCHOR, "anchor", yaml::ANCHOR),
    (ALIAS, "alias", yaml::ALIAS),
    (TAG, "tag", yaml::TAG),
    (MERGE_KEY, "merge key", yaml::MERGE_KEY),
    (DUPLICATE_KEY, "duplicate key", yaml::DUPLICATE_KEY),
    (COMPLEX_KEY, "complex key", yaml::COMPLEX_KEY),
    (YAML_SYNTAX, "not valid YAML", yaml::YAML_SYNTAX),
    (YAML_UNCLOSED, "unclosed bracket or quote", yaml::YAML_UNCLOSED),
    (AMBIGUOUS_BOOLEAN, "ambiguous boolean", yaml::AMBIGUOUS_BOOLEAN),
    (RESERVED_START, "value begins with a YAML sign", yaml::RESERVED_START),
    (COMMENT_CUT, "comment cuts a value", yaml::COMMENT_CUT),
    (FOLDED_LINE, "line folded into the value above", yaml::FOLDED_LINE),
    (FLOW_SPLIT, "expression split by flow style", yaml::FLOW_SPLIT),
    (READERS_DISAGREE, "YAML readers disagree", yaml::READERS_DISAGREE),
    (AMBIGUOUS_NUMBER, "ambiguous number", yaml::AMBIGUOUS_NUMBER),
    (DIRECTIVE, "YAML directive", yaml::DIRECTIVE),
    (NOT_UTF8, "not UTF-8", yaml::NOT_UTF8),
    (UNREADABLE_FILE, "unreadable file", yaml::UNREADABLE_FILE),
    (NO_RULE_FILES, "no rule files", yaml::NO_RULE_FILES),
    (COLON_IN_VALUE, "colon inside a value", yaml::COLON_IN_VALUE),
    (MISSING_BLANK, "missing space", yaml::MISSING_BLANK),
    (CUT_OFF, "file cut off", yaml::CUT_OFF),
    (OPEN_END, "end of the file not marked", yaml::OPEN_END),
    (COMMENT_BEHIND_TEXT, "comment behind a text", unseen::COMMENT_BEHIND_TEXT),
    (INVISIBLE_CHARACTER, "invisible character", unseen::INVISIBLE_CHARACTER),
    (UNKNOWN_KEY, "unknown key", document::UNKNOWN_KEY),
    (MISSING_KEY, "missing key", document::MISSING_KEY),
    (WRONG_TYPE, "wrong type", document::WRONG_TYPE),
    (NOT_ONE_OF, "not one of the allowed values", document::NOT_ONE_OF),
    (UNKNOWN_NAME, "unknown name", document::UNKNOWN_NAME),
    (DUPLICATE_ID, "duplicate id", document::DUPLICATE_ID),
    (BAD_NUMBER, "bad number", document::BAD_NUMBER),
    (BAD_DURATION, "bad duration", document::BAD_DURATION),
    (BAD_TIME, "bad time", document::BAD_TIME),
    (BAD_ZONE, "bad time zone", document::BAD_ZONE),
    (NO_DEFAULT_ALLOWED, "no default allowed", document::NO_DEFAULT_ALLOWED),
    (BAD_ID, "bad id", document::BAD_ID),
    (TOO_MANY, "too many", document::TOO_MANY),
    (EMPTY_LIST, "empty list", document::EMPTY_LIST),
    (CONTRADICTION, "contradiction", document::CONTRADICTION),
    (BAD_TEMPLATE, "bad template", document::BAD_TEMPLATE),
    (MISSING_SECTION, "missing section", document::MISSING_SECTION),
    (NO_NOTICE, "no notice", document::NO_NOTICE),
    (EXPRESSION_SYNTAX, "expression syntax", expression::EXPRESSION_SYNTAX),
    (EXPRESSION_UNKNOWN_NAME, "unknown name in an expression", expression::EXPRESSION_UNKNOWN_NAME),
    (EXPRESSION_WRONG_TYPE, "wrong type in an expression", expression::EXPRESSION_WRONG_TYPE),
    (EXPRESSION_NOT_ONE_OF, "value not in one_of", expression::EXPRESSION_NOT_ONE_OF),
    (EXPRESSION_ARGUMENTS, "wrong argument count", expression::EXPRESSION_ARGUMENTS),
    (EXPRESSION_UNKNOWN_FUNCTION, "unknown function", expression::EXPRESSION_UNKNOWN_FUNCTION),
    (EXPRESSION_PURPOSE, "purpose may not read the fact", expression::EXPRESSION_PURPOSE),
    (EXPRESSION_WINDOW, "window longer than retention", expression::EXPRESSION_WINDOW),
    (EXPRESSION_ZERO, "division by zero", expression::EXPRESSION_ZERO),
    (EXPRESSION_REGEX, "bad regular expression", expression::EXPRESSION_REGEX),
    (EXPRESSION_TOO_COSTLY, "expression too long, deep or costly", expression::EXPRESSION_TOO_COSTLY),
    (EXPRESSION_NOT_CONDITION, "not a condition", expression::EXPRESSION_NOT_CONDITION),
    (EXPRESSION_DURATION, "bad duration in an expression", expression::EXPRESSION_DURATION),
    (EXPRESSION_NOT_HERE, "not available here", expression::EXPRESSION_NOT_HERE),
    (EXPRESSION_CONSTANT, "always the same", expression::EXPRESSION_CONSTANT),
    (UNUSED_PURPOSE, "unused purpose", lint::UNUSED_PURPOSE),
    (UNUSED_ATTRIBUTE, "unused personal attribute", lint::UNUSED_ATTRIBUTE),
    (NEVER_WINS, "can never win", lint::NEVER_WINS),
    (UNTESTED_ACTION, "action without a test", lint::UNTESTED_ACTION),
    (UNREACHABLE_STAGE, "unreachable stage", lint::UNREACHABLE_STAGE),
    (SAME_TEST_NAME, "two tests of one name", lint::SAME_TEST_NAME),
    (UNUSED_EVENT, "unused event or field", lint::UNUSED_EVENT),
    (CONTRADICTORY_CONDITIONS, "conditions never true together", lint::CONTRADICTORY_CONDITIONS),
    (IDLE_LIMIT, "limit that never binds", lint::IDLE_LIMIT),
    (NOTHING_TO_GAIN, "consent ask that gains nothing", lint::NOTHING_TO_GAIN),
    (EQUAL_CONDITIONS, "two actions with equal conditions", lint::EQUAL_CONDITIONS),
    (POLICY_LINT, "lint of the policy", lint::POLICY_LINT),
    (FAILED_TEST, "failing rule test", rule_test::FAILED_TEST),
];

/// The catalogue's entry for a code: its title and its explanation.
#[must_use]
pub fn explain(code: Code) -> Option<(&'static str, &'static str)> {
    let place = CATALOGUE.binary_search_by_key(&code, |entry| entry.0).ok()?;
    CATALOGUE.get(place).map(|entry| (entry.1, entry.2))
}

#[cfg(test)]
mod tests {
    use super::{CATALOGUE, explain};
    use crate::rules::diagnostic::Code;

    #[test]
    fn explains_every_code_with_an_example() {
        assert!(CATALOGUE.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted, each code once");
        for (code, title, text) in CATALOGUE {
            assert_eq!(explain(*code), Some((*title, *text)));
            assert!(title.len() < 50 && !title.ends_with('.'), "{title}");
            assert!(text.contains("\nWrong:\n\n    ") && text.contains("\nRight:\n\n    "), "{code}");
            assert!(text.lines().all(|line| line.chars().count() <= 90), "{code}");
        }
        assert_eq!(explain(Code(9999)), None);
    }
}
