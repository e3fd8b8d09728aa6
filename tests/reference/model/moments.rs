//! The moments that an answer names: the decisions of 30 November 2026, T3 and T4.

use super::super::story::Silence;
use super::consent::{Own, own};
use super::decide::{Result, Scene, by_rank, cooling_off_ends};
use super::rules::{DAY, QuietHours};
use super::score::faded;
use super::view::View;
use super::{limits, quiet};

/// T3: the earliest later moment at which something changes by itself that kept the answer silent.
pub fn retry_after(scene: Scene, results: &[Result]) -> Option<i64> {
    let by_gate = results.iter().filter_map(|result| match result.gate {
        // A limit or a cool-down ends when the last of those that stop the action does.
        "limit" | "cool_down" => {
            let stops = limits::stops(scene.world, scene.customer, result.action, &scene.question.channel);
            stops.iter().map(|stop| stop.until).max()
        }
        "quiet_hours" => quiet_hours(scene)
            .filter(|hours| hours.wait)
            .and_then(|hours| quiet::end(scene.world, scene.customer, hours)),
        "ask" => cooling_off_ends(scene, result.action),
        "dates" => result.action.from,
        _ => None,
    });
    let later = by_gate.chain(fade(scene, results)).filter(|moment| *moment > scene.world.now);
    later.min()
}

fn quiet_hours<'a>(scene: Scene<'a>) -> Option<&'a QuietHours> {
    scene.world.rules.channels.get(&scene.question.channel).and_then(|channel| channel.quiet_hours.as_ref())
}

/// When pressure and hurt have faded enough, everything else equal, for one of the best eight that came to points.
fn fade(scene: Scene, results: &[Result]) -> Option<i64> {
    let mut below: Vec<&Result> = results.iter().filter(|result| result.gate == "below_threshold").collect();
    below.sort_by(|a, b| by_rank(a, b));
    below.into_iter().take(8).filter_map(|result| faded_enough(scene, result)).min()
}

/// The first millisecond at which the score is above the threshold, twenty half-lives from now at most. Pressure and hurt
/// only ever fall, so halving finds it. What is above only by rounding is not above.
fn faded_enough(scene: Scene, result: &Result) -> Option<i64> {
    let (world, policy) = (scene.world, &scene.world.rules.policy);
    let score = result.score?;
    let view = View {
        world,
        customer: scene.customer,
        purpose: &result.action.purpose,
        readable: false,
        question: Some(scene.question),
        event: None,
        given: None,
        blind: false,
    };
    if score.total + score.pressure + score.hurt - policy.threshold <= 1e-9 {
        return None;
    }
    let enough = |moment: i64| faded(&view, result.action, &score, moment) > policy.threshold;
    let (mut low, mut high) = (world.now, world.now + 20 * policy.pressure_half_life.max(policy.hurt_half_life));
    if !enough(high) {
        return None;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// T4, T4b: until when the answer holds.
pub fn valid_until(scene: Scene, results: &[Result], silence: Option<&Silence>) -> i64 {
    let (world, rules) = (scene.world, scene.world.rules);
    let mut moments = vec![world.now + DAY];
    let chosen: Vec<&Result> = results.iter().filter(|result| result.gate == "chosen").collect();
    let channel = rules.channels.get(&scene.question.channel);
    if let Some(channel) = channel.filter(|channel| channel.inbound && !chosen.is_empty()) {
        moments.push(world.now + channel.reserve_for);
    }
    moments.extend(quiet_hours(scene).and_then(|hours| quiet::next_change(world, scene.customer, hours)));
    for result in chosen {
        moments.extend(result.action.until);
        let purpose = rules.purposes.get(&result.action.purpose);
        let verdict = purpose.map(|purpose| own(scene.customer, &result.action.purpose, purpose, world.now));
        if let Some(Own::Usable(until)) = verdict {
            moments.extend(until);
        }
    }
    moments.extend(silence.and_then(|silence| silence.retry_after));
    moments.into_iter().min().unwrap_or(world.now)
}
