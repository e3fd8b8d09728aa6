//! Random expressions that are numbers, texts, moments, durations or lists.

use super::declared::Kind;
use super::expression::{CHOICE, Code, OR, PRIMARY, PRODUCT, SUM, UNARY, Writer};
use super::random::Random;
use tactful::domain::time::{Moment, Period};

pub const DAY: i64 = 86_400_000;
/// Texts that facts hold and that rules compare with.
pub const TEXTS: [&str; 12] =
    ["a", "b", "dsl", "fibre", "Mobil L", "", "\u{e9}", "e\u{301}", "vip", "10", "Zug", "日本"];
pub const NUMBERS: [&str; 14] = ["0", "1", "2", "3", "5", "10", "18", "20", "30", "50", "0.5", "1.5e1", "0x12", ".25"];
pub const LENGTHS: [&str; 14] = [
    "90s", "30m", "12h", "1d", "2 days", "1w", "14d", "2h 30m", "30 days", "1 month", "90 days", "1 ms", "3 mo",
    "1 year",
];
pub const OUTCOMES: [&str; 8] =
    ["presented", "clicked", "accepted", "rejected", "not_now", "already_done", "dismissed", "complained"];

/// A list with the only texts that it can hold.
pub struct List {
    pub code: Code,
    pub one_of: Option<Vec<String>>,
}

/// A text of an expression in one of its kinds of quotes.
pub fn quoted(words: &str, random: &mut Random) -> String {
    let escaped = words.chars().map(|letter| match letter {
        'é' => "\\u00e9".to_owned(),
        '"' => "\\\"".to_owned(),
        letter => letter.to_string(),
    });
    match random.below(12) {
        0 => format!("'{words}'"),
        1 => format!("r\"{words}\""),
        2 => format!("\"\"\"{words}\"\"\""),
        3 => format!("\"{}\"", escaped.collect::<String>()),
        _ => format!("\"{words}\""),
    }
}

/// As texts are compared: in the composed form of Unicode (NFC), of the few that there are here.
fn composed(words: &str) -> String {
    words.replace("e\u{301}", "\u{e9}")
}

pub fn number(random: &mut Random) -> String {
    if random.percent(8) { "-1".to_owned() } else { random.one_of(&NUMBERS).to_owned() }
}

pub fn date(about: i64, random: &mut Random) -> String {
    let at = Moment(about + random.within(-40, 120) * DAY);
    at.to_string().get(..10).unwrap().to_owned()
}

/// A moment near another, written with some offset.
pub fn timestamp(about: i64, random: &mut Random) -> String {
    let days = random.one_of(&[0, 0, 1, 7, 30, -1, -10, -40, 100]);
    let at = Moment(about + days * DAY + random.within(-3, 3) * 3_600_000);
    let (hours, offset) = random.one_of(&[(0, "Z"), (1, "+01:00"), (-5, "-05:00")]);
    let local = Moment(at.0 + hours * 3_600_000).to_string();
    format!("{}{offset}", local.trim_end_matches('Z'))
}

impl Writer<'_> {
    pub fn number(&mut self, depth: usize, random: &mut Random) -> Code {
        self.affords(1);
        if depth > 0 && random.percent(45) {
            return self.sum(depth - 1, random);
        }
        match random.below(100) {
            0..35 => match self.fact(Kind::Number, random) {
                Some(fact) => fact,
                None => Code::new(number(random), UNARY),
            },
            35..45 => {
                let name = random.one_of(&["pressure", "hurt", "local.hour", "local.month"]);
                Code::new(name, PRIMARY)
            }
            45..60 => self.event_count(random),
            60..70 => self.outcome_count(random),
            70..76 => self.size(random),
            _ => Code { constant: true, ..Code::new(number(random), UNARY) },
        }
    }

    fn sum(&mut self, depth: usize, random: &mut Random) -> Code {
        let (left, right) = (self.number(depth, random), self.number(0, random));
        match random.below(7) {
            0 => Code::new(format!("{} + {}", left.at(SUM), right.at(PRODUCT)), SUM),
            1 => Code::new(format!("{} - {}", left.at(SUM), right.at(PRODUCT)), SUM),
            2 => Code::new(format!("{} * {}", left.at(PRODUCT), right.at(UNARY)), PRODUCT),
            3 | 4 => {
                let sign = random.one_of(&["/", "%"]);
                // Nothing that is always zero.
                let right = match self.fact(Kind::Number, random) {
                    Some(fact) if random.percent(50) => fact,
                    _ => Code::new(random.one_of(&["2", "3", "0.5", "12"]), PRIMARY),
                };
                Code::new(format!("{} {sign} {}", left.at(PRODUCT), right.at(UNARY)), PRODUCT)
            }
            5 => {
                let fact = self.fact(Kind::Number, random).filter(|_| random.percent(80));
                Code::new(format!("-{}", fact.unwrap_or(left).at(PRIMARY)), UNARY)
            }
            _ => {
                let test = self.flag(0, random);
                Code::new(format!("{} ? {} : {}", test.at(OR), left.at(OR), right.at(CHOICE)), CHOICE)
            }
        }
    }

    fn size(&mut self, random: &mut Random) -> Code {
        let of = if random.percent(50) { self.text(0, random) } else { self.known_list(random).code };
        if random.percent(50) {
            Code::new(format!("size({})", of.text), PRIMARY)
        } else {
            Code::new(format!("{}.size()", of.at(PRIMARY)), PRIMARY)
        }
    }

    /// Quotes, type and perhaps a filter of `events.count` and `events.last`.
    fn events(&mut self, random: &mut Random) -> Option<(String, i64, String)> {
        let own = |purposes: &[String]| purposes.iter().any(|purpose| purpose == self.purpose);
        let declared = self.declared;
        let known: Vec<_> = declared.events.iter().filter(|event| own(&event.purposes)).collect();
        let event = random.some_of(&known)?;
        let filter = if self.scale < 64 && random.percent(45) && self.affords(256 * 10) {
            let outer = self.event.replace(event);
            let bound = std::mem::take(&mut self.bound);
            let scale = std::mem::replace(&mut self.scale, 256);
            let filter = self.flag(random.below(2), random).text;
            (self.event, self.bound, self.scale) = (outer, bound, scale);
            format!(", {filter}")
        } else {
            String::new()
        };
        Some((quoted(&event.name, random), event.keep, filter))
    }

    fn event_count(&mut self, random: &mut Random) -> Code {
        let Some((event, keep, filter)) = self.events(random) else {
            return Code::new(number(random), UNARY);
        };
        let short: Vec<&str> = LENGTHS.into_iter().filter(|length| Period::parse(length).unwrap().0 <= keep).collect();
        let window = random.some_of(&short).unwrap_or("1 ms");
        let window = if random.percent(15) { format!("duration(\"{window}\")") } else { format!("\"{window}\"") };
        Code::new(format!("events.count({event}, {window}{filter})"), PRIMARY)
    }

    /// An action of the same purpose.
    fn action(&self, random: &mut Random) -> Option<String> {
        let own = self.declared.actions.iter().filter(|action| action.purpose == self.purpose);
        let own: Vec<&str> = own.map(|action| action.id.as_str()).collect();
        random.some_of(&own).map(|id| quoted(id, random))
    }

    fn outcome_count(&mut self, random: &mut Random) -> Code {
        let Some(action) = self.action(random) else { return Code::new("pressure", PRIMARY) };
        let (outcome, window) = (random.one_of(&OUTCOMES), random.one_of(&LENGTHS));
        Code::new(format!("outcomes.count({action}, \"{outcome}\", \"{window}\")"), PRIMARY)
    }

    pub fn text(&mut self, depth: usize, random: &mut Random) -> Code {
        self.affords(1);
        if depth > 0 && random.percent(15) {
            let (test, yes, no) = (self.flag(0, random), self.text(0, random), self.text(0, random));
            let one_of = yes.one_of.clone().zip(no.one_of.clone()).map(|(yes, no)| [yes, no].concat());
            let text = format!("{} ? {} : {}", test.at(OR), yes.at(OR), no.at(CHOICE));
            return Code { one_of, ..Code::new(text, CHOICE) };
        }
        if let Some((name, _)) = random.some_of(&self.bound)
            && random.percent(60)
        {
            // An inner name hides an outer one.
            let one_of = self.bound.iter().rfind(|(bound, _)| *bound == name).and_then(|(_, one_of)| one_of.clone());
            return Code { one_of, ..Code::new(name, PRIMARY) };
        }
        match random.below(100) {
            0..60 => match self.fact(Kind::Text, random) {
                Some(fact) => fact,
                None => self.stage(random),
            },
            60..80 => self.stage(random),
            80..85 => Code { one_of: Some(self.declared.channels.clone()), ..Code::new("channel", PRIMARY) },
            85..90 => {
                let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(str::to_owned);
                Code { one_of: Some(days.to_vec()), ..Code::new("local.weekday", PRIMARY) }
            }
            _ => self.literal(random),
        }
    }

    fn stage(&mut self, random: &mut Random) -> Code {
        let own: Vec<_> = self.declared.journeys.iter().filter(|journey| journey.purpose == self.purpose).collect();
        let Some(journey) = random.some_of(&own) else { return self.literal(random) };
        let stages = journey.stages.iter().cloned().chain(["none".to_owned()]).collect();
        Code { one_of: Some(stages), ..Code::new(format!("journey.{}.stage", journey.name), PRIMARY) }
    }

    fn literal(&mut self, random: &mut Random) -> Code {
        let words = random.one_of(&TEXTS);
        self.literal_text(words, random)
    }

    fn literal_text(&self, words: &str, random: &mut Random) -> Code {
        let one_of = Some(vec![composed(words)]);
        Code { one_of, constant: true, ..Code::new(quoted(words, random), PRIMARY) }
    }

    /// A text that another may be compared with.
    pub fn literal_for(&mut self, with: &Code, random: &mut Random) -> Code {
        match &with.one_of {
            Some(texts) if !with.constant => {
                let words = random.one_of(texts);
                self.literal_text(&words, random)
            }
            _ => self.literal(random),
        }
    }

    /// One side of `fits`, for lists.
    pub fn known_list(&mut self, random: &mut Random) -> List {
        let code = self.list(random);
        List { one_of: code.one_of.clone(), code }
    }

    pub fn list(&mut self, random: &mut Random) -> Code {
        self.affords(1);
        match self.fact(Kind::List, random) {
            Some(fact) if random.percent(85) => fact,
            _ => self.literal_list(None, random),
        }
    }

    pub fn literal_list(&mut self, one_of: Option<&[String]>, random: &mut Random) -> Code {
        let texts: Vec<String> = match one_of {
            Some(texts) => random.subset(texts),
            None => (0..random.one_of(&[1, 2, 3])).map(|_| random.one_of(&TEXTS).to_owned()).collect(),
        };
        let written: Vec<String> = texts.iter().map(|words| quoted(words, random)).collect();
        let texts = texts.iter().map(|text| composed(text)).collect();
        Code { one_of: Some(texts), constant: true, ..Code::new(format!("[{}]", written.join(", ")), PRIMARY) }
    }

    pub fn moment(&mut self, depth: usize, random: &mut Random) -> Code {
        self.affords(1);
        if depth > 0 && random.percent(35) {
            let (at, length) = (self.moment(depth - 1, random), self.duration(0, random));
            return match random.below(5) {
                0 => Code::new(format!("{} + {}", length.at(SUM), at.at(PRODUCT)), SUM),
                1 | 2 => Code::new(format!("{} + {}", at.at(SUM), length.at(PRODUCT)), SUM),
                3 => Code::new(format!("{} - {}", at.at(SUM), length.at(PRODUCT)), SUM),
                _ => {
                    let (test, other) = (self.flag(0, random), self.moment(0, random));
                    Code::new(format!("{} ? {} : {}", test.at(OR), at.at(OR), other.at(CHOICE)), CHOICE)
                }
            };
        }
        match random.below(100) {
            0..20 => Code::new("now", PRIMARY),
            20..45 => self.fact(Kind::Moment, random).unwrap_or_else(|| Code::new("now", PRIMARY)),
            45..60 => match self.journey(random) {
                Some(journey) => Code::new(format!("journey.{journey}.entered"), PRIMARY),
                None => Code::new("now", PRIMARY),
            },
            60..76 => match self.events(random) {
                Some((event, _, filter)) => Code::new(format!("events.last({event}{filter})"), PRIMARY),
                None => Code::new("now", PRIMARY),
            },
            76..86 => match self.action(random) {
                Some(action) => {
                    Code::new(format!("outcomes.last({action}, \"{}\")", random.one_of(&OUTCOMES)), PRIMARY)
                }
                None => Code::new("now", PRIMARY),
            },
            _ => Code::new(format!("timestamp(\"{}\")", timestamp(self.about, random)), PRIMARY),
        }
    }

    fn journey(&self, random: &mut Random) -> Option<String> {
        let own = self.declared.journeys.iter().filter(|journey| journey.purpose == self.purpose);
        let own: Vec<&String> = own.map(|journey| &journey.name).collect();
        random.some_of(&own).cloned()
    }

    pub fn duration(&mut self, depth: usize, random: &mut Random) -> Code {
        self.affords(1);
        if depth > 0 && random.percent(40) {
            let (left, right) = (self.duration(depth - 1, random), self.duration(0, random));
            return match random.below(6) {
                0 => Code::new(format!("{} + {}", left.at(SUM), right.at(PRODUCT)), SUM),
                1 => Code::new(format!("{} - {}", left.at(SUM), right.at(PRODUCT)), SUM),
                2 => {
                    let fact = self.fact(Kind::Duration, random).filter(|_| random.percent(80));
                    Code::new(format!("-{}", fact.unwrap_or(left).at(PRIMARY)), UNARY)
                }
                3 => {
                    let test = self.flag(0, random);
                    Code::new(format!("{} ? {} : {}", test.at(OR), left.at(OR), right.at(CHOICE)), CHOICE)
                }
                _ => {
                    let (early, late) = (self.moment(0, random), self.moment(0, random));
                    Code::new(format!("{} - {}", late.at(SUM), early.at(PRODUCT)), SUM)
                }
            };
        }
        match random.below(100) {
            0..30 => match self.fact(Kind::Duration, random) {
                Some(fact) => fact,
                None => Code::new(self.literal_duration(random), PRIMARY),
            },
            30..60 => match self.journey(random) {
                Some(journey) => Code::new(format!("journey.{journey}.in_stage_for"), PRIMARY),
                None => Code::new(self.literal_duration(random), PRIMARY),
            },
            _ => Code::new(self.literal_duration(random), PRIMARY),
        }
    }

    pub fn literal_duration(&mut self, random: &mut Random) -> String {
        let sign = if random.percent(8) { "-" } else { "" };
        format!("{sign}duration(\"{}\")", random.one_of(&LENGTHS))
    }
}
