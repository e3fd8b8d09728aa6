//! YAML of the sections `actions` and `policy` into the structs of `rules`.

use serde_yaml::{Mapping, Value as Yaml};

use super::read::{condition, entries, list, names, number, optional, span, text};
use super::rules::{Action, DAY, Limit, Names, Points, Policy, Treatment};
use super::text::template;
use super::units::moment;

type Read<T> = Result<T, String>;

/// docs/rules.md, "Actions".
pub fn action(yaml: &Yaml) -> Read<Action> {
    let id = text(yaml.get("id"))?;
    read_action(yaml).map_err(|error| format!("{id}: {error}"))
}

fn read_action(yaml: &Yaml) -> Read<Action> {
    let word = |key: &str| optional(yaml.get(key), |yaml| text(Some(yaml)));
    let conditions = |key: &str| list(yaml.get(key), condition);
    let relevance = yaml.get("relevance").cloned().unwrap_or(Yaml::Mapping(Mapping::new()));
    Ok(Action {
        id: text(yaml.get("id"))?,
        kind: text(yaml.get("kind"))?,
        group: word("group")?.unwrap_or_default(),
        purpose: text(yaml.get("purpose"))?,
        asks: word("asks")?,
        eligible: conditions("eligible")?,
        applicable: conditions("applicable")?,
        suitable: conditions("suitable")?,
        base: number(relevance.get("base"), 0.0)?,
        add: list(relevance.get("add"), points)?,
        worth: number(yaml.get("worth"), 1.0)?,
        intrusiveness: number(yaml.get("intrusiveness"), 0.0)?,
        limits: list(yaml.get("limits"), limit)?,
        from: optional(yaml.get("from"), |yaml| moment(&text(Some(yaml))?))?,
        until: optional(yaml.get("until"), |yaml| moment(&text(Some(yaml))?))?,
        excludes: optional(yaml.get("excludes"), names)?.unwrap_or_default(),
        treatments: entries(yaml.get("treatments").ok_or("an action has treatments")?, treatment)?,
    })
}

fn points(yaml: &Yaml) -> Read<Points> {
    Ok(Points {
        points: number(yaml.get("points"), 0.0)?,
        when: condition(yaml.get("when").ok_or("points have a `when`")?)?,
        because: optional(yaml.get("because"), |yaml| template(&text(Some(yaml))?))?,
    })
}

fn treatment(yaml: &Yaml) -> Read<Treatment> {
    let word = |key: &str| optional(yaml.get(key), |yaml| text(Some(yaml)));
    Ok(Treatment { content: word("content")?.unwrap_or_default(), text: template(&word("text")?.unwrap_or_default())? })
}

/// docs/rules.md, "Limits and cool-downs".
fn limit(yaml: &Yaml) -> Read<Limit> {
    let only = |key: &str| -> Read<Option<Names>> { optional(yaml.get(key), names) };
    let word = |key: &str| optional(yaml.get(key), |yaml| text(Some(yaml)));
    let (outcome, at_most, key) = match word("after")? {
        Some(outcome) => (outcome, None, "wait"),
        None => {
            let at_most = yaml.get("at_most").and_then(Yaml::as_u64).ok_or("a limit has `at_most` or `after`")?;
            (word("outcome")?.unwrap_or("presented".to_string()), usize::try_from(at_most).ok(), "per")
        }
    };
    let written = word(key)?.unwrap_or_default();
    let label = match at_most {
        None => format!("{written} after {outcome}"),
        Some(most) if outcome == "presented" => format!("{most} per {written}"),
        Some(most) => format!("{most} {outcome} per {written}"),
    };
    Ok(Limit {
        label: word("id")?.unwrap_or(label),
        outcome,
        at_most,
        length: span(yaml.get(key).ok_or("a limit has a length")?)?,
        channels: only("channels")?,
        kinds: only("kinds")?,
        groups: only("groups")?,
    })
}

/// docs/rules.md, "Policy".
pub fn policy(yaml: &Yaml) -> Read<Policy> {
    let empty = Yaml::Mapping(Mapping::new());
    let arbitration = yaml.get("arbitration").unwrap_or(&empty);
    let weights = arbitration.get("weights").unwrap_or(&empty);
    let pressure = yaml.get("pressure").ok_or("a policy says what pressure is")?;
    let hurt = yaml.get("hurt").ok_or("a policy says what hurt is")?;
    let points = |yaml: &Yaml| entries(yaml, |points| number(Some(points), 0.0));
    Ok(Policy {
        personal_discount: number(arbitration.get("personal_discount"), 0.5)?,
        weight_of_personal: number(weights.get("personal"), 20.0)?,
        weight_of_pressure: number(weights.get("pressure"), 1.0)?,
        weight_of_hurt: number(weights.get("hurt"), 1.0)?,
        threshold: number(arbitration.get("threshold"), 0.0)?,
        pressure_half_life: span(pressure.get("half_life").ok_or("pressure has a half-life")?)?,
        per_contact: optional(pressure.get("per_contact"), points)?.unwrap_or_default(),
        hurt_half_life: span(hurt.get("half_life").ok_or("hurt has a half-life")?)?,
        per_outcome: optional(hurt.get("per_outcome"), points)?.unwrap_or_default(),
        limits: list(yaml.get("limits"), limit)?,
        retry_within: optional(yaml.get("retry_within"), span)?.unwrap_or(7 * DAY),
        time_zone: text(yaml.get("time_zone"))?,
    })
}
