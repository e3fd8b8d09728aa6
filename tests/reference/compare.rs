//! Holds what the engine says against what the model says, and names the first thing in which they differ.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::OnceLock;

use crate::story::{Answer, Chosen, Held, Reply, Score, Silence, Value};

/// Numbers may differ by this much, absolutely or relatively.
const CLOSE: f64 = 1e-9;

/// One thing in which two answers differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Which kind of difference: the same for all of its kind.
    pub kind: String,
    pub engine: String,
    pub model: String,
}

type Compared = Result<(), Difference>;

fn differ(kind: impl Into<String>, engine: &dyn Debug, model: &dyn Debug) -> Compared {
    let kind = kind.into();
    if is_known(&kind) {
        return Ok(());
    }
    Err(Difference { kind, engine: format!("{engine:?}"), model: format!("{model:?}") })
}

/// Whether a kind of difference is ignored while it is being fixed: `KNOWN` names those, separated by commas.
pub fn is_known(kind: &str) -> bool {
    static KNOWN: OnceLock<Vec<String>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let named = std::env::var("KNOWN").unwrap_or_default();
        named.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect()
    });
    known.iter().any(|known| kind.starts_with(known.as_str()))
}

fn same<T: PartialEq + Debug>(kind: &str, engine: &T, model: &T) -> Compared {
    if engine == model { Ok(()) } else { differ(kind, engine, model) }
}

pub fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= CLOSE * a.abs().max(b.abs()).max(1.0)
}

pub fn replies(engine: &Reply, model: &Reply) -> Compared {
    match (engine, model) {
        (Reply::Answer(engine), Reply::Answer(model)) => answers(engine, model),
        (Reply::Consent(engine), Reply::Consent(model)) if engine.len() == model.len() => {
            let changed = engine.iter().zip(model).find(|(engine, model)| engine != model);
            changed.map_or(Ok(()), |(engine, model)| {
                differ(format!("consent {} for {}", word(engine), word(model)), engine, model)
            })
        }
        _ if refuses(engine) && refuses(model) => Ok(()),
        (Reply::Recorded(engine), Reply::Recorded(model)) if word(engine) == word(model) => Ok(()),
        (Reply::Recorded(engine), Reply::Recorded(model)) => {
            differ(format!("recorded {} for {}", word(engine), word(model)), engine, model)
        }
        _ => same("reply", engine, model),
    }
}

/// One item that is wrong is the same as a call that is wrong, where a call has one item.
fn refuses(reply: &Reply) -> bool {
    matches!(reply, Reply::Invalid) || *reply == Reply::Recorded(Some("invalid".into()))
}

fn word(reason: &Option<String>) -> &str {
    reason.as_deref().filter(|word| *word != "repeated").unwrap_or("taken")
}

/// Gates before scores before choices: what comes first explains what follows.
fn answers(engine: &Answer, model: &Answer) -> Compared {
    candidates(engine, model)?;
    let ids = |answer: &Answer| answer.chosen.iter().map(|chosen| chosen.action.clone()).collect::<Vec<_>>();
    same("chosen", &ids(engine), &ids(model))?;
    engine.chosen.iter().zip(&model.chosen).try_for_each(|(engine, model)| chosen(engine, model))?;
    match (&engine.silence, &model.silence) {
        (Some(engine), Some(model)) => silences(engine, model)?,
        (None, None) => {}
        (engine, model) => same("silence", engine, model)?,
    }
    same("purposes_used", &engine.purposes_used, &model.purposes_used)
}

fn candidates(engine: &Answer, model: &Answer) -> Compared {
    let ids = |answer: &Answer| answer.candidates.keys().cloned().collect::<Vec<_>>();
    same("candidates", &ids(engine), &ids(model))?;
    let pairs = || engine.candidates.iter().map(|(id, candidate)| (id, candidate, &model.candidates[id]));
    // What one action scores decides what becomes of another: the gates that stand alone first.
    let alone = |gate: &str| !["below_threshold", "excluded", "outranked", "chosen", "ask"].contains(&gate);
    for (id, engine, model) in pairs() {
        if engine.gate != model.gate && (alone(&engine.gate) || alone(&model.gate)) {
            let kind = format!("gate {} for {}", engine.gate, model.gate);
            return differ(kind, &(id, &engine.gate, engine.score), &(id, &model.gate, model.score));
        }
    }
    for (id, engine, model) in pairs() {
        if let (Some(engine), Some(model)) = (engine.score, model.score) {
            scores(id, engine, model)?;
        }
    }
    for (id, engine, model) in pairs() {
        if engine.gate != model.gate {
            let kind = format!("gate {} for {}", engine.gate, model.gate);
            return differ(kind, &(id, &engine.gate, engine.score), &(id, &model.gate, model.score));
        }
        same("whether there is a score", &(id, engine.score), &(id, model.score))
            .or_else(|differs| if engine.score.is_some() == model.score.is_some() { Ok(()) } else { Err(differs) })?;
        same("needs_purposes", &(id, &engine.needs_purposes), &(id, &model.needs_purposes))?;
    }
    Ok(())
}

fn scores(id: &str, engine: Score, model: Score) -> Compared {
    let parts = |score: Score| {
        [
            ("interruption", score.interruption),
            ("pressure", score.pressure),
            ("hurt", score.hurt),
            ("personal", score.personal),
            ("worth", score.worth),
            ("relevance", score.relevance),
            ("intrusiveness", score.intrusiveness),
            ("total", score.total),
        ]
    };
    for ((name, ours), (_, theirs)) in parts(engine).into_iter().zip(parts(model)) {
        if !close(ours, theirs) {
            return differ(format!("score {name}"), &(id, engine), &(id, model));
        }
    }
    Ok(())
}

fn chosen(engine: &Chosen, model: &Chosen) -> Compared {
    same("content", &engine.content, &model.content)?;
    texts("text", &engine.text, &model.text)?;
    if engine.because.len() != model.because.len() {
        return differ("because", &engine.because, &model.because);
    }
    engine.because.iter().zip(&model.because).try_for_each(|(engine, model)| texts("because", engine, model))?;
    scores(&engine.action, engine.score, model.score)
}

/// Texts in which numbers may differ a little.
fn texts(kind: &str, engine: &str, model: &str) -> Compared {
    let numeric = |letter: char| letter.is_ascii_digit() || letter == '.';
    let words =
        |text: &str| text.split(numeric).filter(|words| !words.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let numbers = |text: &str| {
        let numbers = text.split(|letter| !numeric(letter)).filter(|number| !number.is_empty());
        numbers.map(|number| number.parse::<f64>().unwrap_or(0.0)).collect::<Vec<_>>()
    };
    let (ours, theirs) = (numbers(engine), numbers(model));
    let alike = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(ours, theirs)| close(*ours, *theirs));
    if alike && words(engine) == words(model) { Ok(()) } else { differ(kind, &engine, &model) }
}

fn silences(engine: &Silence, model: &Silence) -> Compared {
    if engine.reason != model.reason {
        return differ(format!("silence {} for {}", engine.reason, model.reason), engine, model);
    }
    same("nearest", &engine.nearest, &model.nearest)?;
    if !close(engine.nearest_gap, model.nearest_gap) {
        return differ("nearest_gap", &engine.nearest_gap, &model.nearest_gap);
    }
    Ok(())
}

pub fn held(engine: &Held, model: &Held) -> Compared {
    same("held standings of", &names(&engine.standings), &names(&model.standings))?;
    for (purpose, ours) in &engine.standings {
        let theirs = &model.standings[purpose];
        let kind = if ours.denied_because != theirs.denied_because {
            format!("standing {} for {}", shown(&ours.denied_because), shown(&theirs.denied_because))
        } else if ours.status != theirs.status {
            format!("standing status {} for {}", shown(&ours.status), shown(&theirs.status))
        } else if ours.needs_reconfirm != theirs.needs_reconfirm {
            "standing needs_reconfirm".into()
        } else if ours.until != theirs.until {
            "standing until".into()
        } else {
            "standing usable".into()
        };
        same(&kind, &(purpose, ours), &(purpose, theirs))?;
    }
    same("held attributes", &values(&engine.attributes), &values(&model.attributes))?;
    let events = |held: &Held| held.events.iter().map(|event| format!("{event:?}")).collect::<Vec<_>>();
    let sorted = |mut events: Vec<String>| {
        events.sort();
        events
    };
    same("held events", &sorted(events(engine)), &sorted(events(model)))?;
    same("held journeys", &engine.journeys, &model.journeys)?;
    same("held limits", &used(engine), &used(model))
}

/// How much of each limit is used, whatever a limit without a name of its own is called.
fn used(held: &Held) -> Vec<(String, u32)> {
    let place = |name: &String| name.split('/').next().unwrap_or("").to_owned();
    let mut used: Vec<_> = held.limits.iter().map(|(name, used)| (place(name), *used)).collect();
    used.retain(|(_, used)| *used > 0);
    used.sort();
    used
}

fn names<T>(map: &BTreeMap<String, T>) -> Vec<&String> {
    map.keys().collect()
}

fn shown(word: &str) -> &str {
    if word.is_empty() { "usable" } else { word }
}

fn values(map: &BTreeMap<String, Value>) -> Vec<String> {
    map.iter().map(|(name, value)| format!("{name}: {value:?}")).collect()
}
