//! Rules generated from a number of actions: the first fits every customer and about one in thirty of the others fits a
//! customer, and only the busiest customer reaches the limits. So every decision has an action, for any number of
//! customers.

/// How often a customer may be contacted a week.
pub const LIMIT: u64 = 100;

const TOPICS: [&str; 5] = ["speed", "price", "contract", "outage", "moving"];

/// The topic that a number stands for.
pub fn topic(number: u64) -> &'static str {
    TOPICS[(number % 5) as usize]
}

/// How many actions stand in one file, which may not be longer than 1 MiB.
const IN_A_FILE: usize = 1_000;

/// Rule files with this number of actions; the first file also has everything else.
pub fn files(actions: usize) -> Vec<String> {
    let more = (IN_A_FILE..actions).step_by(IN_A_FILE);
    let more = more.map(|from| {
        let actions: String = (from..actions.min(from + IN_A_FILE)).map(action).collect();
        format!("actions:\n{actions}")
    });
    std::iter::once(rules(actions.min(IN_A_FILE))).chain(more).collect()
}

/// A rule file with this number of actions and everything that they need.
pub fn rules(actions: usize) -> String {
    // One file, without the notice beside it.
    let sample =
        include_str!("../../tests/fixtures/design/rules.yaml").replace(", notice: notices/personalisation-v2.md", "");
    let (head, rest) = sample.split_once("actions:").unwrap();
    let policy = &rest[rest.find("policy:").unwrap()..];
    // After a thousand decisions, actions still score above silence.
    let policy =
        policy.replace("at_most: 3,", &format!("at_most: {LIMIT},")).replace("pressure: 1.0", "pressure: 0.01");
    let actions: String = (0..actions).map(action).collect();
    format!("{head}actions:\n{actions}{policy}")
}

fn action(index: usize) -> String {
    let (topic, age, base) = (TOPICS[index % 5], 18 + index % 60, 25 + index % 40);
    let (until, views) = (age + 10, index % 3);
    let fits = format!(
        r#"
    eligible:
      - customer.contract == "dsl"
      - customer.age >= {age} && customer.age < {until}
    applicable:
      - context.topic == "{topic}"
      - events.count("page_view", "7d") >= {views}"#
    );
    format!(
        r#"
  - id: action-{index}
    title: Title of action {index}
    kind: offer
    purpose: personalisation{}
    relevance:
      base: {base}
      add:
        - {{points: 10, when: context.topic == "{topic}", because: "you asked about {topic}"}}
    intrusiveness: 5
    treatments:
      web: {{content: banner/{index}, text: "What action {index} says to the customer."}}
"#,
        if index == 0 { "" } else { &fits },
    )
}
