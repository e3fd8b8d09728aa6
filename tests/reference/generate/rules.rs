//! Random rule sets: small, loadable, and over many of them with every key and every word of the documents.

use serde_yaml::Value;

use super::conduct::{self, Ground};
use super::declarations;
use super::declared::Declared;
use super::random::Random;
use super::values::DAY;
use super::yaml::{self, Map, entries, get, items, string};
use crate::story::RuleFiles;

/// Moments at which stories begin: clock changes of several zones are near, or none.
const BEGINNINGS: [i64; 8] = [
    1_772_442_000_000, // 2026-03-02, a Monday morning in Berlin
    1_774_724_400_000, // 2026-03-28 19:00 UTC, the evening before Berlin's clocks go forward
    1_792_868_400_000, // 2026-10-24 19:00 UTC, before they go back
    1_772_920_800_000, // 2026-03-07 22:00 UTC, before New York's clocks go forward
    1_793_570_400_000, // 2026-11-01 22:00 UTC, after they went back
    1_775_217_600_000, // 2026-04-03 12:00 UTC, before Lord Howe and Chatham go back
    1_790_942_400_000, // 2026-10-02 12:00 UTC, before they go forward
    1_798_671_600_000, // 2026-12-30 23:00 UTC
];

/// A rule set with the moment about which its rules are.
#[derive(Debug, Clone)]
pub struct Rules {
    pub value: Value,
    pub declared: Declared,
    pub about: i64,
}

impl Rules {
    pub fn of(value: Value, about: i64) -> Self {
        Self { declared: Declared::of(&value), value, about }
    }

    pub fn random(random: &mut Random) -> Self {
        let about = random.one_of(&BEGINNINGS) + random.within(-12, 12) * 600_000;
        let mut rules = Map::default();
        rules.put("purposes", declarations::purposes(random));
        let known = |rules: &Map| Declared::of(&Value::Mapping(rules.0.clone()));
        let declared = known(&rules);
        rules.put("attributes", declarations::attributes(&declared, random));
        rules.put("context", declarations::context(random));
        rules.put("events", declarations::events(&declared, random));
        let declared = known(&rules);
        rules.put("channels", declarations::channels(&declared, random));
        let declared = known(&rules);
        rules.put("journeys", conduct::journey_heads(&declared, random));
        let (declared, value) = (known(&rules), Value::Mapping(rules.0.clone()));
        let ground = Ground { declared: &declared, rules: &value, about };
        rules.put("actions", conduct::action_heads(&ground, random));
        let mut rules = fill(&Value::Mapping(rules.0), about, random);
        let declared = Declared::of(&rules);
        if let Some(map) = rules.as_mapping_mut() {
            map.insert("policy".into(), conduct::policy(&declared, about, random));
        }
        Self::of(rules, about)
    }

    /// The text of the rules, in one file or in several.
    pub fn files(&self, random: &mut Random) -> RuleFiles {
        let Value::Mapping(sections) = &self.value else { return Vec::new() };
        let split = random.percent(30);
        let mut files: Vec<(String, Map)> = vec![("rules.yaml".into(), Map::default())];
        if split {
            files.push(("more/others.yml".into(), Map::default()));
            files.push(("z.yaml".into(), Map::default()));
        }
        for (key, value) in sections {
            let empty = value.as_mapping().is_some_and(|map| map.is_empty());
            if !empty {
                let file = random.below(files.len());
                files[file].1.0.insert(key.clone(), value.clone());
            }
        }
        files.retain(|(_, map)| !map.0.is_empty());
        let write = |(path, map): (String, Map)| {
            let text = yaml::write(&map.value(), random);
            (path, if random.percent(60) { format!("---\n{text}...\n") } else { text })
        };
        files.into_iter().map(write).collect()
    }
}

/// What of a journey and of an action others may name.
const JOURNEY_HEAD: [&str; 4] = ["purpose", "sensitivity", "again_after", "stages"];
const ACTION_HEAD: [&str; 7] = ["id", "title", "kind", "group", "purpose", "asks", "treatments"];

fn only(value: &Value, keys: &[&str]) -> Value {
    let mut kept = Map::default();
    for key in keys {
        if let Some(value) = get(value, key) {
            kept.put(key, value.clone());
        }
    }
    kept.value()
}

/// The same with new journeys and actions under the heads that are there.
pub fn fill(rules: &Value, about: i64, random: &mut Random) -> Value {
    let declared = Declared::of(rules);
    let ground = Ground { declared: &declared, rules, about };
    let mut filled = Map(rules.as_mapping().unwrap().clone());
    let mut journeys = Map::default();
    for (name, head) in entries(rules, "journeys") {
        if let Some(journey) = conduct::journey(&only(head, &JOURNEY_HEAD), &ground, random) {
            journeys.put(&name, journey);
        }
    }
    if journeys.0.is_empty() {
        filled.0.remove("journeys");
    } else {
        filled.put("journeys", journeys.value());
    }
    let heads = items(rules, "actions").into_iter().map(|action| only(action, &ACTION_HEAD));
    let mut actions: Vec<Value> = heads.map(|head| conduct::action(&head, &ground, random)).collect();
    if random.percent(20) {
        tie(&mut actions, random);
    }
    filled.put("actions", Value::Sequence(actions));
    filled.value()
}

/// Makes two actions alike in all but their ids: they tie.
fn tie(actions: &mut [Value], random: &mut Random) {
    let alike = |a: &Value, b: &Value| string(a, "purpose") == string(b, "purpose");
    let mut pairs = Vec::new();
    for (place, one) in actions.iter().enumerate() {
        let others = actions.iter().enumerate().skip(place + 1).filter(|(_, other)| alike(one, other));
        pairs.extend(others.map(|(other, _)| (place, other)));
    }
    let Some((one, other)) = random.some_of(&pairs) else { return };
    let Some(mut twin) = actions[one].as_mapping().cloned().map(Map) else { return };
    twin.put("id", string(&actions[other], "id").unwrap());
    // It might exclude itself.
    twin.0.remove("excludes");
    actions[other] = twin.value();
}

/// One rule set out of files whose sections are put together.
pub fn merged(files: &RuleFiles) -> Value {
    let mut whole = Map::default();
    for (_, text) in files {
        let Ok(Value::Mapping(sections)) = serde_yaml::from_str::<Value>(text) else { continue };
        for (key, value) in sections {
            match (whole.0.get_mut(&key), value) {
                (Some(Value::Mapping(known)), Value::Mapping(more)) => known.extend(more),
                (Some(Value::Sequence(known)), Value::Sequence(more)) => known.extend(more),
                (_, value) => drop(whole.0.insert(key, value)),
            }
        }
    }
    whole.value()
}

/// When the story of a sample begins: its season is not over.
pub fn about_sample(random: &mut Random) -> i64 {
    random.one_of(&BEGINNINGS) + random.within(0, 20) * DAY
}
