//! Random expressions that fit what is declared: every fact, function and operator, in types that go together.
//!
//! `values` makes numbers, texts, moments, durations and lists; here are conditions.

use super::declared::{Declared, Event, Fact, Kind};
use super::random::Random;
use super::values::List;

/// How tightly an expression binds, as the grammar orders it.
pub const CHOICE: u8 = 0;
pub const OR: u8 = 1;
pub const AND: u8 = 2;
pub const RELATION: u8 = 3;
pub const SUM: u8 = 4;
pub const PRODUCT: u8 = 5;
pub const UNARY: u8 = 6;
pub const PRIMARY: u8 = 7;

/// The names that `exists` and `all` bind.
const BOUND: [&str; 3] = ["t", "tag", "x1"];
const PATTERNS: [&str; 7] = ["^a", "(?i)FIBRE", "[bd]$", "^$", "o+l? [SML]$", ".", "(dsl|vip)"];
/// What one evaluation may cost, well below what is refused.
const MOST_COST: usize = 60_000;

/// Code with how tightly it binds.
#[derive(Debug, Clone)]
pub struct Code {
    pub text: String,
    pub binds: u8,
    /// The only texts it can be, where that is known.
    pub one_of: Option<Vec<String>>,
    pub constant: bool,
}

impl Code {
    pub fn new(text: impl Into<String>, binds: u8) -> Self {
        Self { text: text.into(), binds, one_of: None, constant: false }
    }

    /// As an operand where only what binds so tightly may stand without brackets.
    pub fn at(&self, binds: u8) -> String {
        if self.binds < binds { format!("({})", self.text) } else { self.text.clone() }
    }
}

/// Writes expressions for one purpose.
pub struct Writer<'d> {
    pub declared: &'d Declared,
    pub purpose: &'d str,
    /// The event at hand.
    pub event: Option<&'d Event>,
    pub bound: Vec<(String, Option<Vec<String>>)>,
    /// How often what is written now may be evaluated.
    pub scale: usize,
    pub spent: usize,
    /// A moment about which the story is.
    pub about: i64,
}

impl<'d> Writer<'d> {
    pub fn new(declared: &'d Declared, purpose: &'d str, about: i64) -> Self {
        Self { declared, purpose, event: None, bound: Vec::new(), scale: 1, spent: 0, about }
    }

    /// A condition in a line.
    pub fn line(&mut self, random: &mut Random) -> String {
        self.spent = 0;
        let depth = random.one_of(&[1, 1, 2, 2, 3]);
        let mut text = self.flag(depth, random).text;
        if text.len() > 1_500 {
            text = self.flag(1, random).text;
        }
        text
    }

    pub fn affords(&mut self, cost: usize) -> bool {
        self.spent += self.scale;
        self.spent + self.scale * cost < MOST_COST
    }

    /// Something that is true or false.
    pub fn flag(&mut self, depth: usize, random: &mut Random) -> Code {
        if depth == 0 {
            return self.simple(random);
        }
        match random.below(100) {
            0..35 => self.comparison(depth - 1, random),
            35..52 => self.connective(depth - 1, random),
            52..59 => {
                let inner = self.flag(depth - 1, random);
                Code::new(format!("!{}", inner.at(UNARY)), UNARY)
            }
            59..69 => self.among(depth - 1, random),
            69..76 => self.quantifier(depth - 1, random),
            76..86 => self.text_test(depth - 1, random),
            86..90 => {
                let test = self.flag(depth - 1, random);
                let (yes, no) = (self.flag(depth - 1, random), self.flag(depth - 1, random));
                Code::new(format!("{} ? {} : {}", test.at(OR), yes.at(OR), no.at(CHOICE)), CHOICE)
            }
            _ => self.simple(random),
        }
    }

    /// A condition without others in it.
    fn simple(&mut self, random: &mut Random) -> Code {
        self.affords(1);
        match random.below(100) {
            0..30 => match self.fact(Kind::Flag, random) {
                Some(fact) => fact,
                None => self.comparison(0, random),
            },
            30..42 => self.has(random),
            42..52 => {
                let purposes: Vec<&str> = self.declared.purposes.iter().map(|purpose| purpose.name.as_str()).collect();
                // What an ask would open may wait for the very yes that is asked for.
                let purpose = if random.percent(40) { self.purpose } else { random.one_of(&purposes) };
                Code::new(format!("consent.given({})", super::values::quoted(purpose, random)), PRIMARY)
            }
            52..54 => Code { constant: true, ..Code::new(random.one_of(&["true", "false"]), PRIMARY) },
            _ => self.comparison(0, random),
        }
    }

    fn connective(&mut self, depth: usize, random: &mut Random) -> Code {
        let count = random.one_of(&[2, 2, 3]);
        let parts: Vec<Code> = (0..count).map(|_| self.flag(depth, random)).collect();
        let (sign, binds) = random.one_of(&[(" && ", AND), (" || ", OR)]);
        let parts: Vec<String> = parts.iter().map(|part| part.at(binds + 1)).collect();
        Code::new(parts.join(sign), binds)
    }

    fn has(&mut self, random: &mut Random) -> Code {
        let kind = random.one_of(&Kind::NAMES).1;
        let facts: Vec<Code> = self.facts(kind).into_iter().filter(|fact| can_be_absent(&fact.text)).collect();
        match random.some_of(&facts) {
            Some(fact) => Code::new(format!("has({})", fact.text), PRIMARY),
            None => self.comparison(0, random),
        }
    }

    fn comparison(&mut self, depth: usize, random: &mut Random) -> Code {
        let sign = random.one_of(&["==", "!=", "<", "<=", ">", ">="]);
        let (left, right) = match random.below(100) {
            0..38 => (self.number(depth, random), self.number(0, random)),
            38..60 => return self.compared_texts(depth, random),
            60..76 => (self.moment(depth, random), self.moment(0, random)),
            76..90 => (self.duration(depth, random), self.duration(0, random)),
            90..95 => return self.equal_flags(random),
            _ => return self.equal_lists(random),
        };
        let (left, right) = if random.percent(80) { (left, right) } else { (right, left) };
        Code::new(format!("{} {sign} {}", left.at(SUM), right.at(SUM)), RELATION)
    }

    fn compared_texts(&mut self, depth: usize, random: &mut Random) -> Code {
        if random.percent(12) {
            let sign = random.one_of(&["==", "!=", "<", "<=", ">", ">="]);
            let date = super::values::date(self.about, random);
            return Code::new(format!("local.date {sign} \"{date}\""), RELATION);
        }
        let (left, right) = (self.text(depth, random), self.text(0, random));
        let right = if fits(&left, &right) { right } else { self.literal_for(&left, random) };
        let ordered = |code: &Code| code.one_of.as_ref().is_none_or(|texts| texts.is_sorted());
        let orders = ordered(&left) && ordered(&right) && random.percent(40);
        let signs: &[&str] = if orders { &["<", "<=", ">", ">="] } else { &["==", "!="] };
        let (left, right) = if random.percent(80) { (left, right) } else { (right, left) };
        Code::new(format!("{} {} {}", left.at(SUM), random.one_of(signs), right.at(SUM)), RELATION)
    }

    fn equal_flags(&mut self, random: &mut Random) -> Code {
        let (left, right) = (self.simple(random), self.simple(random));
        Code::new(format!("{} {} {}", left.at(SUM), random.one_of(&["==", "!="]), right.at(SUM)), RELATION)
    }

    fn equal_lists(&mut self, random: &mut Random) -> Code {
        let left = self.list(random);
        let right = self.literal_list(left.one_of.as_deref(), random);
        Code::new(format!("{} {} {}", left.at(SUM), random.one_of(&["==", "!="]), right.at(SUM)), RELATION)
    }

    /// `x in [a, b]` and `x in list`.
    fn among(&mut self, depth: usize, random: &mut Random) -> Code {
        if random.percent(35) {
            let item = self.text(depth, random);
            let Some(code) = self.fact(Kind::List, random) else {
                let list = self.literal_list(item.one_of.clone().filter(|_| !item.constant).as_deref(), random);
                return Code::new(format!("{} in {}", item.at(SUM), list.text), RELATION);
            };
            let one_of = code.one_of.clone();
            let holder = Code { one_of, ..Code::new("", PRIMARY) };
            let item = if fits(&holder, &item) { item } else { self.literal_for(&holder, random) };
            return Code::new(format!("{} in {}", item.at(SUM), code.at(SUM)), RELATION);
        }
        let count = random.one_of(&[1, 2, 3]);
        let (item, values): (Code, Vec<String>) = match random.below(4) {
            0 => (self.number(depth, random), (0..count).map(|_| super::values::number(random)).collect()),
            1 => (self.duration(depth, random), (0..count).map(|_| self.literal_duration(random)).collect()),
            _ => {
                let item = self.text(depth, random);
                let values = (0..count).map(|_| self.literal_for(&item, random).text).collect();
                (item, values)
            }
        };
        let trailing = if random.percent(10) { "," } else { "" };
        Code::new(format!("{} in [{}{trailing}]", item.at(SUM), values.join(", ")), RELATION)
    }

    fn quantifier(&mut self, depth: usize, random: &mut Random) -> Code {
        if self.bound.len() > 1 || !self.affords(64 * 12) {
            return self.simple(random);
        }
        let List { code, one_of } = self.known_list(random);
        let name = random.one_of(&BOUND);
        let scale = self.scale;
        self.scale *= 64;
        self.bound.push((name.to_owned(), one_of));
        let body = if random.percent(60) { self.compared_texts(0, random) } else { self.flag(depth.min(1), random) };
        self.bound.pop();
        self.scale = scale;
        let function = random.one_of(&["exists", "all"]);
        Code::new(format!("{}.{function}({name}, {})", code.at(PRIMARY), body.text), PRIMARY)
    }

    fn text_test(&mut self, depth: usize, random: &mut Random) -> Code {
        let text = self.text(depth, random);
        if random.percent(30) && self.affords(80) {
            let pattern = random.one_of(&PATTERNS);
            let quote = random.one_of(&["r\"", "\""]);
            return Code::new(format!("{}.matches({quote}{pattern}\")", text.at(PRIMARY)), PRIMARY);
        }
        let part = if random.percent(80) {
            super::values::quoted(random.one_of(&["a", "fib", "l", "ob", "", "é", "e\u{301}"]), random)
        } else {
            self.text(0, random).text
        };
        let function = random.one_of(&["startsWith", "endsWith", "contains"]);
        Code::new(format!("{}.{function}({part})", text.at(PRIMARY)), PRIMARY)
    }

    /// A fact of a type.
    pub fn fact(&mut self, kind: Kind, random: &mut Random) -> Option<Code> {
        self.affords(1);
        let facts = self.facts(kind);
        random.some_of(&facts)
    }

    /// Every fact of a type that may be read here.
    pub fn facts(&self, kind: Kind) -> Vec<Code> {
        let own = |fact: &&Fact| {
            fact.purposes.as_ref().is_none_or(|purposes| purposes.iter().any(|purpose| purpose == self.purpose))
        };
        let is = |fact: &&Fact| fact.shape.kind == kind;
        let code = |name: String, fact: &Fact| Code { one_of: fact.shape.one_of.clone(), ..Code::new(name, PRIMARY) };
        let mut facts = Vec::new();
        let attributes = self.declared.attributes.iter().filter(own).filter(is);
        facts.extend(attributes.map(|fact| code(fact.name.clone(), fact)));
        let context = self.declared.context.iter().filter(is);
        facts.extend(context.map(|fact| code(format!("context.{}", fact.name), fact)));
        let fields = self.event.into_iter().flat_map(|event| &event.fields).filter(own).filter(is);
        // What happened is what a filter is about.
        let fields: Vec<Code> = fields.map(|fact| code(format!("event.{}", fact.name), fact)).collect();
        (0..3).for_each(|_| facts.extend(fields.clone()));
        facts
    }
}

fn can_be_absent(fact: &str) -> bool {
    ["customer.", "context.", "event."].iter().any(|root| fact.starts_with(root))
}

/// Whether two texts may be compared: neither can be only what the other never is.
pub fn fits(left: &Code, right: &Code) -> bool {
    match (&left.one_of, &right.one_of) {
        (Some(left), Some(right)) => left.iter().any(|text| right.contains(text)),
        _ => true,
    }
}
