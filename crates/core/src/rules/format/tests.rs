//! What is laid out how: before, and after.

use super::*;
use crate::rules::shape::RULE_FILE;

#[track_caller]
fn check(before: &str, after: &str) {
    let form = Form::Map(&RULE_FILE);
    assert_eq!(format(FileId::default(), before, &form).unwrap(), after);
    assert_eq!(format(FileId::default(), after, &form).unwrap(), after, "a second time");
}

#[test]
fn keys_stand_in_order_and_take_their_comments_along() {
    check(
        "\
actions:
  - title: A   # for people
    # how rules name it
    id: a
    treatments: {web: {text: a, content: b}}
    kind: offer
# Why.
purposes:
  service: {direct_marketing: true,basis: contract}
",
        "\
# Why.
purposes:
  service: {basis: contract, direct_marketing: true}
actions:
  # how rules name it
  - id: a
    title: A # for people
    kind: offer
    treatments: {web: {content: b, text: a}}
",
    );
}

#[test]
fn the_order_of_names_and_of_unknown_keys_is_the_authors() {
    check(
        "journeys:\n  b:\n    zzz: 1\n    stages: {last: {}, first: {}}\n    aaa: 2\n    purpose: x\n  a: {}\n",
        "journeys:\n  b:\n    purpose: x\n    stages: {last: {}, first: {}}\n    zzz: 1\n    aaa: 2\n  a: {}\n",
    );
}

#[test]
fn comments_stay_with_their_entries() {
    check(
        "\
# yaml-language-server: $schema=x
# About the file.


---
actions: # all of them

      # First.
      - id: a  # its name
        limits:
        - {after: rejected, wait: 1 day}   # a no
          # behind the last limit
        # behind the last key
      # Above the second,
#    even here.

      - # in front
        id: b
        eligible: [ # of a list
          x == 1, # one
          # two
          y == 2
        ] # end
        title:
          # above a value
          B # beside it
      # the end of the list
# the end
... # of all
# and more
",
        "\
# yaml-language-server: $schema=x
# About the file.

---
actions: # all of them
  # First.
  - id: a # its name
    limits:
      - {after: rejected, wait: 1 day} # a no
      # behind the last limit
    # behind the last key
  # Above the second,
  #    even here.

  # in front
  - id: b
    # above a value
    title: B # beside it
    eligible: # end
      # of a list
      - x == 1 # one
      # two
      - y == 2
  # the end of the list
# the end
...
# of all
# and more
",
    );
}

#[test]
fn what_a_blank_line_parts_from_the_first_entry_stays_at_the_top() {
    check(
        "policy:\n\n  # About all.\n\n  # Clocks.\n  time_zone: Europe/Berlin\n\n\n  # Weights.\n  hurt: {half_life: 1 day}\n",
        "policy:\n  # About all.\n\n  # Weights.\n  hurt: {half_life: 1 day}\n\n  # Clocks.\n  time_zone: Europe/Berlin\n",
    );
}

#[test]
fn brackets_stay_where_they_fit_into_one_line() {
    let word = "abcdefghijklmnop";
    let values = [word; 7].join(",   ");
    check(
        &format!(
            "context:\n  a: {{type: text,one_of:\n    [ {word} , {word}],personal: false}}\n  b:\n    type: text\n    one_of:\n      [{values}]\n    personal: false\n"
        ),
        &format!(
            "context:\n  a:\n    type: text\n    one_of: [{word}, {word}]\n    personal: false\n  b:\n    type: text\n    one_of:\n{}    personal: false\n",
            format!("      - {word}\n").repeat(7)
        ),
    );
}

#[test]
fn aligned_columns_stay_aligned() {
    check(
        "channels:\n  web:   {direction:   inbound}\n  # comment\n  phone: {direction: inbound}\n  telegram: {direction: inbound}\n  a:\n    direction: inbound\n",
        "channels:\n  web:      {direction: inbound}\n  # comment\n  phone:    {direction: inbound}\n  telegram: {direction: inbound}\n  a:\n    direction: inbound\n",
    );
    check("channels:\n  web:     {}\n  phone:  {}\n", "channels:\n  web: {}\n  phone: {}\n");
}

#[test]
fn scalars_of_several_lines_move_as_they_are() {
    check(
        "\
actions:
    -   title: one
           two

           three # c
        id: |2-
            two more than the id

          and two
        kind: \"a
                b\"
        treatments:
            web:
                text: >+ # folded
                         folded
                           and kept


            phone: {text: 'x'}
",
        "\
actions:
  - id: |2-
        two more than the id

      and two
    title: one
      two

      three # c
    kind: \"a
      b\"
    treatments:
      web:
        text: >+ # folded
          folded
            and kept


      phone: {text: 'x'}
",
    );
}

#[test]
fn line_ends_and_odd_beginnings_are_taken() {
    check("\u{feff}channels: {}\r\npolicy:\r\n    a: 1 # b\r\n", "channels: {}\r\npolicy:\r\n  a: 1 # b\r\n");
    check("channels:\n- - a # x\n  -   b\n-\n  # c\n  - d\n", "channels:\n  - - a # x\n    - b\n  # c\n  - - d\n");
    check("? channels\n: a\n", "channels: a\n");
    check("{channels: {web: {}}}", "channels: {web: {}}\n");
    check("just text", "just text");
}

#[test]
fn a_file_with_mistakes_is_left_alone() {
    let refusal = format(FileId::default(), "actions: [\n", &Form::Map(&RULE_FILE));
    assert!(matches!(refusal, Err(Refusal::Broken(diagnostics)) if !diagnostics.is_empty()));
}
