//! Random journeys, actions and policies, over what is declared.

use serde_yaml::Value;

use super::declarations::{period, pick, points};
use super::declared::{Declared, Event};
use super::expression::Writer;
use super::random::Random;
use super::values::{DAY, OUTCOMES};
use super::yaml::{Map, get, string, text, texts};
use tactful::domain::time::{Moment, zone};

const ZONES: [&str; 10] = [
    "Europe/Berlin",
    "Europe/Berlin",
    "UTC",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Chatham",
    "Asia/Kathmandu",
    "Antarctica/Troll",
    "America/Sao_Paulo",
];
const KINDS: [&str; 5] = ["offer", "service", "repair", "information", "consent_ask"];
const STAGES: [&str; 5] = ["open", "exploring", "resolved", "lapsed", "won-back"];
const IDS: [&str; 8] = ["fibre-upgrade", "newsletter", "speed-test", "tv", "a", "b.c", "hello_2", "zebra"];
const GROUPS: [&str; 3] = ["broadband", "mail-ings", "care"];
pub const JOURNEYS: [&str; 3] = ["broadband", "care", "j2"];

/// What conditions are written about.
pub struct Ground<'d> {
    pub declared: &'d Declared,
    pub rules: &'d Value,
    /// When the story is.
    pub about: i64,
}

impl Ground<'_> {
    fn writer<'w>(&'w self, purpose: &'w str) -> Writer<'w> {
        Writer::new(self.declared, purpose, self.about)
    }

    /// One condition, as stands behind `when`.
    fn condition(&self, purpose: &str, event: Option<&Event>, random: &mut Random) -> Value {
        self.nested(purpose, event, 2, random)
    }

    fn nested(&self, purpose: &str, event: Option<&Event>, depth: usize, random: &mut Random) -> Value {
        if depth == 0 || random.percent(75) {
            let mut writer = self.writer(purpose);
            writer.event = event;
            return text(writer.line(random));
        }
        let mut map = Map::default();
        let parts = (0..random.one_of(&[1, 2, 2, 3])).map(|_| self.nested(purpose, event, depth - 1, random));
        let parts = Value::Sequence(parts.collect());
        map.put(random.one_of(&["any", "all", "none"]), parts);
        map.value()
    }

    fn conditions(&self, purpose: &str, random: &mut Random) -> Value {
        let count = random.one_of(&[1, 1, 2]);
        Value::Sequence((0..count).map(|_| self.condition(purpose, None, random)).collect())
    }

    /// A text with facts in it.
    fn words(&self, purpose: &str, random: &mut Random) -> Value {
        let mut words = random.one_of(&["Hello", "Your plan: ", "é ", "Say \"so\": "]).to_owned();
        for _ in 0..random.one_of(&[0, 0, 1, 1, 2]) {
            let fact = self.plain_fact(purpose, random);
            let otherwise = random.one_of(&["", "", "|you", "| ", "|"]);
            words.push_str(&format!("{{{fact}{otherwise}}}, "));
        }
        text(words.trim_end())
    }

    fn plain_fact(&self, purpose: &str, random: &mut Random) -> String {
        let writer = self.writer(purpose);
        let mut facts: Vec<String> = super::declared::Kind::NAMES
            .iter()
            .flat_map(|(_, kind)| writer.facts(*kind))
            .map(|fact| fact.text)
            .collect();
        for journey in self.declared.journeys.iter().filter(|journey| journey.purpose == purpose) {
            let what = random.one_of(&["stage", "stage", "entered", "in_stage_for"]);
            facts.push(format!("journey.{}.{what}", journey.name));
        }
        let always = ["channel", "now", "local.date", "local.hour", "local.weekday", "local.month", "pressure", "hurt"];
        facts.push(random.one_of(&always).to_owned());
        random.one_of(&facts)
    }
}

/// Journeys without their conditions, so that those can name stages.
pub fn journey_heads(declared: &Declared, random: &mut Random) -> Value {
    let mut section = Map::default();
    for name in pick(&JOURNEYS, random.one_of(&[0, 1, 1, 2]), random) {
        let purpose = random.one_of(&declared.in_use());
        if !declared.events.iter().any(|event| event.purposes.contains(&purpose)) {
            continue;
        }
        let mut journey = Map::default();
        journey.put("purpose", purpose);
        if random.percent(40) {
            journey.put("sensitivity", random.one_of(&[0.0, 0.2, 0.6]));
        }
        if random.percent(40) {
            journey.put("again_after", period(random));
        }
        let mut stages = Map::default();
        for stage in pick(&STAGES, random.one_of(&[1, 2, 3, 4]), random) {
            stages.put(stage, Map::default().value());
        }
        journey.put("stages", stages.value());
        section.put(name, journey.value());
    }
    section.value()
}

/// A journey with its start and its moves.
pub fn journey(head: &Value, ground: &Ground<'_>, random: &mut Random) -> Option<Value> {
    let purpose = string(head, "purpose").unwrap().to_owned();
    let followed = ground.declared.events.iter().filter(|event| event.purposes.contains(&purpose));
    let followed: Vec<&Event> = followed.collect();
    if followed.is_empty() {
        return None;
    }
    let mut journey = Map(head.as_mapping().unwrap().clone());
    let starts = |random: &mut Random| trigger(&purpose, random.one_of(&followed), 35, ground, random);
    if random.percent(70) {
        let start = starts(random).value();
        journey.put("start", start);
    } else {
        let list = (0..random.one_of(&[1, 2])).map(|_| starts(random).value()).collect();
        journey.put("start", Value::Sequence(list));
    }
    let heads = super::yaml::entries(head, "stages");
    let names: Vec<String> = heads.into_iter().map(|(name, _)| name).collect();
    let mut stages = Map::default();
    for (index, name) in names.iter().enumerate() {
        let mut stage = Map::default();
        let ends = index > 0 && random.percent(40);
        if random.percent(if index == 0 {
            95
        } else if ends {
            15
        } else {
            75
        }) {
            let moves = (0..random.one_of(&[1, 2, 3])).map(|_| way(&purpose, (&names, &followed), ground, random));
            stage.put("moves", Value::Sequence(moves.collect()));
        }
        if ends || random.percent(10) {
            stage.put(random.one_of(&["goal", "end"]), ends);
        }
        stages.put(name, stage.value());
    }
    journey.put("stages", stages.value());
    Some(journey.value())
}

fn trigger(purpose: &str, event: &Event, chance: usize, ground: &Ground<'_>, random: &mut Random) -> Map {
    let mut trigger = Map::default();
    trigger.put("event", event.name.as_str());
    if random.percent(chance) {
        trigger.put("when", ground.condition(purpose, Some(event), random));
    }
    trigger
}

/// A move out of a stage.
fn way(purpose: &str, (stages, events): (&[String], &[&Event]), ground: &Ground<'_>, random: &mut Random) -> Value {
    let to = random.one_of(stages);
    let mut way = match random.below(10) {
        0..5 => trigger(purpose, random.one_of(events), 35, ground, random),
        5..7 => {
            let mut way = Map::default();
            way.put("when", ground.condition(purpose, None, random));
            way
        }
        _ => {
            let mut way = Map::default();
            way.put("after", period(random));
            way
        }
    };
    way.put("to", to);
    way.value()
}

/// Actions without their conditions, so that those can name other actions.
pub fn action_heads(ground: &Ground<'_>, random: &mut Random) -> Value {
    let (declared, mut heads) = (ground.declared, Vec::new());
    let in_use = declared.in_use();
    let askable: Vec<String> = in_use
        .iter()
        .filter(|name| {
            let terms = get(ground.rules, "purposes").and_then(|purposes| get(purposes, name));
            terms.is_some_and(|terms| get(terms, "cooling_off").is_some())
        })
        .cloned()
        .collect();
    for id in pick(&IDS, random.one_of(&[1, 2, 3, 4, 5, 6]), random) {
        let mut kind = random.one_of(&KINDS);
        let purpose = random.one_of(&in_use);
        let others: Vec<&String> = askable.iter().filter(|other| **other != purpose).collect();
        let mut action = Map::default();
        action.put("id", id).put("title", "A step");
        match random.some_of(&others) {
            Some(asks) if kind == "consent_ask" || random.percent(15) => {
                kind = "consent_ask";
                action.put("asks", asks.as_str());
            }
            _ if kind == "consent_ask" => kind = "offer",
            _ => {}
        }
        action.put("kind", kind);
        if random.percent(45) {
            action.put("group", random.one_of(&GROUPS));
        }
        action.put("purpose", purpose);
        let mut treatments = Map::default();
        let channels = if random.percent(65) { declared.channels.clone() } else { random.subset(&declared.channels) };
        for channel in channels {
            treatments.put(&channel, Map::default().value());
        }
        action.put("treatments", treatments.value());
        heads.push(action.value());
    }
    Value::Sequence(heads)
}

/// An action with everything.
pub fn action(head: &Value, ground: &Ground<'_>, random: &mut Random) -> Value {
    let purpose = string(head, "purpose").unwrap().to_owned();
    let mut action = Map(head.as_mapping().unwrap().clone());
    for (key, chance) in [("eligible", 26), ("applicable", 26), ("suitable", 18)] {
        if random.percent(chance) {
            action.put(key, ground.conditions(&purpose, random));
        }
    }
    let ask = string(head, "kind") == Some("consent_ask");
    if !ask || random.percent(60) {
        action.put("relevance", relevance(&purpose, ask, ground, random));
    }
    if random.percent(25) {
        action.put("worth", random.one_of(&[0.0, 0.5, 1.0, 1.2, 2.0, 10.0]));
    }
    action.put("intrusiveness", points(12, random));
    if random.percent(50) {
        let channels = &ground.declared.channels;
        let limits = (0..random.one_of(&[1, 1, 2])).map(|place| limit(place, channels, random).value());
        action.put("limits", Value::Sequence(limits.collect()));
    }
    season(&mut action, ground.about, random);
    let id = string(head, "id").unwrap();
    let others = ground.declared.actions.iter().filter(|other| other.id != id).map(|other| other.id.clone());
    let others: Vec<String> = others.collect();
    if !others.is_empty() && random.percent(25) {
        action.put("excludes", texts(random.subset(&others)));
    }
    let mut treatments = Map::default();
    for (channel, _) in super::yaml::entries(head, "treatments") {
        let mut treatment = Map::default();
        let both = random.below(3);
        if both != 0 {
            treatment.put("text", ground.words(&purpose, random));
        }
        if both != 1 {
            treatment.put("content", random.one_of(&["banner/fibre", "key", "x/y-1"]));
        }
        treatments.put(&channel, treatment.value());
    }
    action.put("treatments", treatments.value());
    if random.percent(5) {
        action.put("allow", texts(["T0303"]));
    }
    action.value()
}

fn relevance(purpose: &str, ask: bool, ground: &Ground<'_>, random: &mut Random) -> Value {
    let mut relevance = Map::default();
    if !ask {
        relevance.put("base", base(random));
    }
    if random.percent(60) || ask {
        let added = (0..random.one_of(&[1, 1, 2, 3])).map(|_| {
            let mut added = Map::default();
            added.put("points", random.one_of(&[5.0, 10.0, 20.0, 40.0, 2.5, -10.0, -30.0, 0.0, 200.0]));
            added.put("when", ground.condition(purpose, None, random));
            if random.percent(50) {
                added.put("because", ground.words(purpose, random));
            }
            added.value()
        });
        relevance.put("add", Value::Sequence(added.collect()));
    }
    relevance.value()
}

fn base(random: &mut Random) -> Value {
    if random.percent(60) { random.within(20, 80).into() } else { points(100, random) }
}

fn season(action: &mut Map, about: i64, random: &mut Random) {
    let moment = |days: i64, random: &mut Random| {
        let at = about + days * DAY + random.within(-12, 12) * 1_800_000;
        Moment(at - at.rem_euclid(1_000)).to_string()
    };
    if random.percent(12) {
        action.put("from", moment(random.within(-30, 20), random));
    }
    if random.percent(12) {
        action.put("until", moment(random.within(21, 300), random));
    }
}

/// A limit or a cool-down; its place keeps names apart.
fn limit(place: usize, channels: &[String], random: &mut Random) -> Map {
    let mut limit = Map::default();
    // Answers name limits by this, so it is not the same twice.
    if place > 0 || random.percent(30) {
        limit.put("id", format!("limit {place}"));
    }
    if random.percent(50) {
        limit.put("at_most", random.one_of(&[1, 1, 2, 3])).put("per", period(random));
        if random.percent(50) {
            limit.put("outcome", random.one_of(&OUTCOMES));
        }
    } else {
        limit.put("after", random.one_of(&OUTCOMES)).put("wait", period(random));
    }
    if random.percent(25) {
        limit.put("channels", texts(random.narrower(channels)));
    }
    limit
}

pub fn policy(declared: &Declared, about: i64, random: &mut Random) -> Value {
    let mut policy = Map::default();
    if random.percent(50) {
        policy.put("arbitration", arbitration(random));
    }
    let mut weights = Map::default();
    for channel in &declared.channels {
        weights.put(channel, points(8, random));
    }
    let mut pressure = Map::default();
    pressure.put("half_life", period(random)).put("per_contact", weights.value());
    policy.put("pressure", pressure.value());
    let mut hurt = Map::default();
    hurt.put("half_life", period(random));
    if random.percent(45) {
        let mut outcomes = Map::default();
        // Contacts do not hurt: they press.
        let counted: Vec<&str> = OUTCOMES.into_iter().filter(|outcome| *outcome != "presented").collect();
        for outcome in pick(&counted, random.one_of(&[1, 2, 3]), random) {
            outcomes.put(outcome, points(30, random));
        }
        hurt.put("per_outcome", outcomes.value());
    }
    policy.put("hurt", hurt.value());
    if random.percent(65) {
        let groups: Vec<String> = declared.actions.iter().filter_map(|action| action.group.clone()).collect();
        let limits = (0..random.one_of(&[1, 2, 3, 4])).map(|place| {
            let mut limit = limit(place, &declared.channels, random);
            if random.percent(40) {
                limit.put("kinds", texts(random.narrower(&KINDS)));
            }
            if !groups.is_empty() && random.percent(35) {
                limit.put("groups", texts(random.narrower(&groups)));
            }
            limit.value()
        });
        policy.put("limits", Value::Sequence(limits.collect()));
    }
    if random.percent(15) {
        policy.put("retry_within", period(random));
    }
    policy.put("time_zone", time_zone(about, random));
    policy.value()
}

/// Half of the time one whose clocks are changed within two days, where there is one.
fn time_zone(about: i64, random: &mut Random) -> &'static str {
    let changes = |name: &&str| {
        let zone = zone(name)?;
        let change = zone.following(jiff::Timestamp::from_millisecond(about).ok()?).next()?;
        (change.timestamp().as_millisecond() < about + 2 * DAY).then_some(())
    };
    let changing: Vec<&str> = ZONES.into_iter().filter(|name| changes(name).is_some()).collect();
    random.some_of(&changing).filter(|_| random.percent(50)).unwrap_or_else(|| random.one_of(&ZONES))
}

fn arbitration(random: &mut Random) -> Value {
    let mut arbitration = Map::default();
    if random.percent(50) {
        arbitration.put("personal_discount", random.one_of(&[0.0, 0.3, 1.0]));
    }
    if random.percent(50) {
        let mut weights = Map::default();
        for key in pick(&["personal", "pressure", "hurt"], random.one_of(&[1, 2, 3]), random) {
            weights.put(key, random.one_of(&[0.0, 0.5, 2.0, 10.0]));
        }
        arbitration.put("weights", weights.value());
    }
    if random.percent(40) {
        arbitration.put("threshold", random.one_of(&[0.0, 2.0, 10.0]));
    }
    arbitration.value()
}
