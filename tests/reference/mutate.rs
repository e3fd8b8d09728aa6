//! Whether the comparison would notice a mistake: each key of the rules is read otherwise by the model, and only by it.
//!
//! What is changed is the text of the rules that the model is given, from the beginning or when they are loaded again: a key is left out, a number or a duration is
//! another, a word is swapped, a condition is turned around. The share of changes that shows in some answer is printed for
//! each key.

use std::collections::BTreeMap;

use serde_yaml::Value;
use tactful::domain::id::Vocabulary;
use tactful::rules::shape::{CONDITION_GROUP, Form, Name, RULE_FILE};

use crate::engine::loaded;
use crate::generate::declarations::PERIODS;
use crate::generate::declared::Declared;
use crate::generate::history::Teller;
use crate::generate::random::Random;
use crate::generate::rules::Rules;
use crate::generate::yaml::plain;
use crate::play::Pair;
use crate::simpler::{Way, changed};
use crate::story::RuleFiles;

static FORM: Form = Form::Map(&RULE_FILE);
/// Stories in which a change may show.
const STORIES: usize = 8;
const STEPS: usize = 60;

/// A key in a set of rules.
struct Place {
    /// The same for every key of its kind, as `.actions.limits.wait`.
    key: String,
    way: Vec<Way>,
    form: &'static Form,
}

fn find(value: &Value, form: &'static Form, at: (&str, &[Way]), found: &mut Vec<Place>) {
    let (key, way) = at;
    let further = |step: Way| [way, &[step]].concat();
    match (value, form) {
        (value, Form::Either(forms)) => forms.iter().for_each(|form| find(value, form, at, found)),
        (Value::Sequence(items), Form::List(form, _)) => {
            let items = items.iter().enumerate();
            items.for_each(|(place, item)| find(item, form, (key, &further(Way::Place(place))), found));
        }
        (Value::Mapping(map), Form::Names(_, form) | Form::NewNames(_, form) | Form::Words(_, form)) => {
            for (name, inner) in map {
                found.push(Place { key: format!("{key}.*"), way: further(Way::Key(name.clone())), form });
                find(inner, form, (&format!("{key}.*"), &further(Way::Key(name.clone()))), found);
            }
        }
        (Value::Mapping(map), Form::Map(_) | Form::Condition) => {
            let shape = if let Form::Map(shape) = form { shape } else { &CONDITION_GROUP };
            for (name, inner) in map {
                let Some(known) = name.as_str().and_then(|name| shape.key(name)) else { continue };
                let (key, way) = (format!("{key}.{}", known.name), further(Way::Key(name.clone())));
                found.push(Place { key: key.clone(), way: way.clone(), form: &known.form });
                find(inner, &known.form, (&key, &way), found);
            }
        }
        _ => {}
    }
}

/// Something else in the place of a value; nothing: the key is left out.
fn other(value: &Value, form: &'static Form, declared: &Declared, random: &mut Random) -> Option<Value> {
    let word = |words: Vec<String>, random: &mut Random| {
        let others: Vec<String> = words.into_iter().filter(|word| value.as_str() != Some(word)).collect();
        random.some_of(&others).map(Value::from)
    };
    match form {
        Form::Number(low, high) => Some((low + (high - low) * random.below(100) as f64 / 500.0).into()),
        Form::Whole(..) => Some((value.as_u64().unwrap_or(1) + 1).into()),
        Form::Flag | Form::False => Some((value.as_bool() == Some(false)).into()),
        Form::Text => Some(format!("{} changed", value.as_str().unwrap_or("")).into()),
        Form::Period => word(PERIODS.iter().map(|period| (*period).to_owned()).collect(), random),
        Form::Moment => {
            Some(random.one_of(&["2020-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2040-01-01T00:00:00Z"]).into())
        }
        Form::TimeOfDay => word(["01:00", "06:00", "13:00", "18:30"].map(str::to_owned).to_vec(), random),
        Form::Condition => match value.as_str() {
            Some(text) => Some(format!("!({text})").into()),
            None => Some(random.one_of(&["true", "false"]).into()),
        },
        Form::Word(words) => word(words().into_iter().map(str::to_owned).collect(), random),
        Form::Name(name) => word(names(*name, declared), random),
        Form::List(..) => {
            let mut items = value.as_sequence()?.clone();
            items.remove(random.below(items.len()));
            (!items.is_empty()).then_some(Value::Sequence(items))
        }
        Form::Either(forms) => other(value, &forms[random.below(forms.len())], declared, random),
        _ => None,
    }
}

fn names(kind: Name, declared: &Declared) -> Vec<String> {
    match kind {
        Name::Purpose => declared.in_use(),
        Name::Event => declared.events.iter().map(|event| event.name.clone()).collect(),
        Name::Channel => declared.channels.clone(),
        Name::Action => declared.actions.iter().map(|action| action.id.clone()).collect(),
        Name::Group => declared.actions.iter().filter_map(|action| action.group.clone()).collect(),
        Name::Stage => declared.journeys.iter().flat_map(|journey| journey.stages.clone()).collect(),
        _ => Vec::new(),
    }
}

/// Whether some story tells rules from changed ones.
fn notices(rules: &Rules, model: &RuleFiles, random: &mut Random) -> bool {
    let files = vec![("rules.yaml".to_owned(), plain(&rules.value))];
    (0..STORIES).any(|story| {
        let late = story % 2 == 1;
        let mut teller = Teller::new(rules.clone(), false, random).without_reloads();
        let first = if late { &files } else { model };
        let Ok(mut pair) = Pair::apart((&files, first), teller.begins(), false) else { return true };
        (0..STEPS).any(|place| {
            let step = teller.next(place, random);
            if late && place == STEPS / 3 {
                pair.misread(model, step.at);
            }
            match pair.play(&step, &[], place % 8 == 7) {
                Ok(reply) => {
                    teller.heard(&step, &reply);
                    false
                }
                Err(_) => true,
            }
        })
    })
}

/// How many changes of each key were made, and how many of them showed.
pub fn shares(sets: u64, first_seed: u64) -> BTreeMap<String, (usize, usize)> {
    let mut shares: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    // With changes that could not be made, which would be tried for ever otherwise.
    let mut tried: BTreeMap<String, usize> = BTreeMap::new();
    for seed in first_seed..first_seed + sets {
        let mut random = Random::new(seed);
        let rules = Rules::random(&mut random);
        let mut places = Vec::new();
        find(&rules.value, &FORM, ("", &[]), &mut places);
        random.shuffle(&mut places);
        // What has been tried least is tried next.
        places.sort_by_key(|place| tried.get(&place.key).copied().unwrap_or(0));
        places.truncate(4);
        for place in places {
            *tried.entry(place.key.clone()).or_default() += 1;
            let value = crate::simpler::at(&rules.value, &place.way).cloned().unwrap_or(Value::Null);
            let to = if random.percent(30) { None } else { other(&value, place.form, &rules.declared, &mut random) };
            let Some(mutated) = changed(&rules.value, &place.way, to) else { continue };
            let files = vec![("rules.yaml".to_owned(), plain(&mutated))];
            if mutated == rules.value || loaded(&files, &Vocabulary::default()).is_err() {
                continue;
            }
            let noticed = notices(&rules, &files, &mut random);
            let (made, shown) = shares.entry(place.key).or_default();
            *made += 1;
            *shown += usize::from(noticed);
        }
    }
    shares
}
