//! Random purposes, attributes, context facts, events and channels.

use serde_yaml::Value;

use super::declared::{Declared, Kind};
use super::random::Random;
use super::values::TEXTS;
use super::yaml::{Map, text, texts, words};

const PURPOSES: [&str; 9] = [
    "service",
    "care",
    "marketing",
    "marketing.email",
    "marketing.email.news",
    "profiling",
    "profiling.age",
    "duty",
    "selling",
];
const BASES: [&str; 7] = [
    "consent",
    "explicit_consent",
    "contract",
    "legal_obligation",
    "vital_interest",
    "public_task",
    "legitimate_interest",
];
const ATTRIBUTES: [(&str, Kind); 12] = [
    ("customer.contract", Kind::Text),
    ("customer.plan", Kind::Text),
    ("customer.age", Kind::Number),
    ("customer.spend", Kind::Number),
    ("customer.has_tv", Kind::Flag),
    ("customer.vip", Kind::Flag),
    ("customer.since", Kind::Moment),
    ("customer.ends", Kind::Moment),
    ("customer.notice", Kind::Duration),
    ("customer.tags", Kind::List),
    ("customer.address.city", Kind::Text),
    ("customer.interests", Kind::List),
];
const CONTEXT: [(&str, Kind); 6] = [
    ("topic", Kind::Text),
    ("basket", Kind::Number),
    ("signed_in", Kind::Flag),
    ("opened", Kind::Moment),
    ("waited", Kind::Duration),
    ("items", Kind::List),
];
const EVENTS: [&str; 6] = ["page_view", "order", "complaint", "resolved", "outage", "line.fixed"];
const FIELDS: [(&str, Kind); 6] = [
    ("page", Kind::Text),
    ("seconds", Kind::Number),
    ("paid", Kind::Flag),
    ("due", Kind::Moment),
    ("waited", Kind::Duration),
    ("labels", Kind::List),
];
pub const ACTIVITIES: [&str; 4] = ["browsing", "checkout", "complaint", "idle"];
const CHANNELS: [&str; 4] = ["web", "phone", "email", "app.push"];
pub const PERIODS: [&str; 10] =
    ["1 day", "2 days", "36 hours", "1 week", "14d", "30 days", "1 month", "90 days", "2h 30m", "1 year"];

pub fn period(random: &mut Random) -> Value {
    text(random.one_of(&PERIODS))
}

/// A number with at most one digit behind the point.
pub fn points(most: i64, random: &mut Random) -> Value {
    match random.below(4) {
        0 => Value::from(random.within(0, most * 10) as f64 / 10.0),
        1 => Value::from(0),
        _ => Value::from(random.within(0, most)),
    }
}

fn share(random: &mut Random) -> Value {
    Value::from(random.one_of(&[0.0, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0]))
}

/// Distinct items of a few, in their order.
pub fn pick<T: Clone>(items: &[T], count: usize, random: &mut Random) -> Vec<T> {
    let mut places: Vec<usize> = (0..items.len()).collect();
    random.shuffle(&mut places);
    places.truncate(count);
    places.sort_unstable();
    places.into_iter().map(|place| items[place].clone()).collect()
}

pub fn purposes(random: &mut Random) -> Value {
    let mut section = Map::default();
    let names = pick(&PURPOSES, random.one_of(&[1, 2, 2, 3, 3, 4, 4]), random);
    for (index, name) in names.iter().enumerate() {
        // One at least is in use.
        section.put(name, purpose(index > 0, random));
    }
    section.value()
}

pub fn purpose(may_retire: bool, random: &mut Random) -> Value {
    let basis = if random.percent(35) { "consent" } else { random.one_of(&BASES) };
    let consent = basis.ends_with("consent");
    let mut purpose = Map::default();
    purpose.put("basis", basis);
    if random.percent(25) {
        purpose.put("direct_marketing", random.percent(80));
    }
    if consent && random.percent(50) {
        purpose.put("expires_after", period(random));
    }
    if consent && random.percent(75) {
        purpose.put("cooling_off", period(random));
    }
    if random.percent(30) {
        purpose.put("version", random.within(1, 3));
    }
    if random.percent(15) {
        purpose.put("notice", "notices/notice-v1.md");
    }
    if (consent || ["public_task", "legitimate_interest"].contains(&basis)) && random.percent(30) {
        purpose.put("gpc", "objects");
    }
    if may_retire && random.percent(8) {
        purpose.put("retired", true);
    } else if random.percent(5) {
        purpose.put("retired", false);
    }
    purpose.value()
}

/// `type`, and `one_of` where it may stand.
fn shaped(kind: Kind, random: &mut Random) -> Map {
    let name = Kind::NAMES.iter().find(|(_, known)| *known == kind).map_or("text", |(name, _)| name);
    let mut shape = Map::default();
    shape.put("type", name);
    if matches!(kind, Kind::Text | Kind::List) && random.percent(40) {
        let mut listed: Vec<&str> = TEXTS.into_iter().filter(|text| !text.is_empty() && *text != "e\u{301}").collect();
        random.shuffle(&mut listed);
        listed.truncate(random.one_of(&[2, 3, 4]));
        shape.put("one_of", texts(listed));
    }
    shape
}

pub fn attributes(declared: &Declared, random: &mut Random) -> Value {
    let mut section = Map::default();
    for (name, kind) in pick(&ATTRIBUTES, random.one_of(&[2, 4, 6, 8]), random) {
        section.put(name, attribute(kind, declared, random));
    }
    section.value()
}

fn attribute(kind: Kind, declared: &Declared, random: &mut Random) -> Value {
    let mut attribute = shaped(kind, random);
    if random.percent(15) {
        attribute.put("personal", false);
    } else {
        attribute.put("purposes", texts(random.subset(&declared.in_use())));
        if random.percent(4) {
            attribute.put("personal", true);
        }
    }
    if random.percent(40) {
        attribute.put("sensitivity", share(random));
    }
    attribute.value()
}

pub fn context(random: &mut Random) -> Value {
    let mut section = Map::default();
    for (name, kind) in pick(&CONTEXT, random.one_of(&[1, 2, 3]), random) {
        let mut fact = shaped(kind, random);
        fact.put("personal", false);
        section.put(name, fact.value());
    }
    if random.percent(70) {
        let mut activity = Map::default();
        activity.put("type", "text");
        if random.percent(90) {
            activity.put("one_of", texts(ACTIVITIES));
        }
        activity.put("personal", false);
        section.put("activity", activity.value());
    }
    section.value()
}

pub fn events(declared: &Declared, random: &mut Random) -> Value {
    let names = pick(&EVENTS, random.one_of(&[1, 2, 3, 4]), random);
    let mut section = Map::default();
    for name in &names {
        section.put(name, event(name, &names, declared, random));
    }
    // What is repaired has hurt, most often.
    let repaired: Vec<String> = section.0.values().flat_map(|event| words(event, "repairs")).collect();
    for name in repaired {
        if let Some(Value::Mapping(event)) = section.0.get_mut(name.as_str())
            && random.percent(80)
        {
            event.insert("hurt".into(), random.within(5, 60).into());
        }
    }
    section.value()
}

fn event(name: &str, names: &[&str], declared: &Declared, random: &mut Random) -> Value {
    let purposes = random.subset(&declared.in_use());
    let mut event = Map::default();
    if random.percent(70) {
        let mut fields = Map::default();
        for (field, kind) in pick(&FIELDS, random.one_of(&[1, 2, 3]), random) {
            let mut shape = shaped(kind, random);
            if random.percent(25) {
                shape.put("purposes", texts(random.subset(&purposes)));
            }
            let alone = shape.0.len() == 1 && random.percent(80);
            let kind = shape.0.get("type").cloned().unwrap();
            fields.put(field, if alone { kind } else { shape.value() });
        }
        event.put("fields", fields.value());
    }
    event.put("purposes", texts(purposes));
    if random.percent(45) {
        event.put("hurt", points(60, random));
    }
    let others: Vec<&str> = names.iter().copied().filter(|other| *other != name).collect();
    if !others.is_empty() && random.percent(35) {
        let repaired = random.subset(&others);
        event.put(
            "repairs",
            if repaired.len() == 1 && random.percent(60) { text(repaired[0]) } else { texts(repaired) },
        );
    }
    event.put("keep", period(random));
    if random.percent(35) {
        event.put("sensitivity", share(random));
    }
    if random.percent(30) {
        event.put("late", text(random.one_of(&["1 second", "1 minute", "20 minutes", "1 hour"])));
    }
    event.value()
}

pub fn channels(declared: &Declared, random: &mut Random) -> Value {
    let activity = declared.context.iter().find(|fact| fact.name == "activity");
    let activities = activity.and_then(|fact| fact.shape.one_of.clone());
    let mut section = Map::default();
    for name in pick(&CHANNELS, random.one_of(&[1, 2, 2, 3]), random) {
        section.put(name, channel(activities.as_deref(), random));
    }
    section.value()
}

fn channel(activities: Option<&[String]>, random: &mut Random) -> Value {
    let inbound = random.percent(60);
    let mut channel = Map::default();
    channel.put("direction", if inbound { "inbound" } else { "outbound" });
    channel.put("interruption", interruption(activities, random));
    if random.percent(40) {
        channel.put("quiet_hours", quiet_hours(random));
    }
    if inbound && random.percent(50) {
        channel.put("reserve_for", text(random.one_of(&["30 minutes", "1 hour", "2 days", "1 ms", "1 week"])));
    }
    channel.value()
}

fn interruption(activities: Option<&[String]>, random: &mut Random) -> Value {
    let Some(activities) = activities.filter(|_| random.percent(55)) else { return points(20, random) };
    let mut map = Map::default();
    for activity in random.subset(activities) {
        map.put(&activity, points(30, random));
    }
    if random.percent(50) {
        map.put("default", points(20, random));
    }
    map.value()
}

fn quiet_hours(random: &mut Random) -> Value {
    // Most clocks are changed between one and three in the morning.
    let night = ["02:30", "1:45", "02:15", "02:00", "03:00", "01:30"];
    let day = ["21:00", "08:00", "00:00", "23:59", "12:00"];
    let mut edges = vec![random.one_of(&night), random.one_of(&day)];
    match random.below(10) {
        0..2 => edges = vec!["00:00", "08:00"],
        2..5 => edges = random.subset(&night),
        _ => {}
    }
    random.shuffle(&mut edges);
    let [from, to, ..] = edges[..] else { return quiet_hours(random) };
    let mut quiet = Map::default();
    quiet.put("from", from).put("to", to).put("otherwise", random.one_of(&["wait", "drop"]));
    quiet.value()
}
