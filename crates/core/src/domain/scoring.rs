//! The score of an action, in points: the one place of its formula, of its upper bound and of its inverse.
//!
//! ```text
//! score         = relevance × worth × (1 − personal_discount × personal) − intrusiveness
//! intrusiveness = base + interruption + w_personal × personal + w_pressure × pressure + w_hurt × hurt
//! ```
//!
//! Where the inputs come from does not belong here: `decide/arbitrate` reads them from a view.

use std::fmt;

use crate::domain::model::{Action, Arbitration};

crate::words! {
    /// One part of a score, in the order of the formula: three factors, then the costs.
    pub enum Term {
        /// Factor: how much the action matters to the customer now, in points from 0 to 100.
        Relevance = "relevance",
        /// Factor: what the action is worth to both sides.
        Worth = "worth",
        /// Factor: `1 − personal_discount × personal`.
        PersonalFactor = "personal_factor",
        /// Cost: the action's intrusiveness, whatever the channel and the moment.
        Base = "base",
        /// Cost: what the channel interrupts.
        Interruption = "interruption",
        /// Cost: `w_personal × personal`.
        PersonalPoints = "personal_points",
        /// Cost: recent contacts, weighted.
        Pressure = "pressure",
        /// Cost: bad experiences, weighted; 0 for service and repair.
        Hurt = "hurt",
    }
}

impl Term {
    /// Whether it multiplies; all others are points against the action.
    #[must_use]
    pub fn is_factor(self) -> bool {
        matches!(self, Self::Relevance | Self::Worth | Self::PersonalFactor)
    }
}

/// The score of an action and its parts: the product of the factors minus the sum of the costs.
#[derive(Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// What actions compete by, in points.
    pub total: f64,
    /// The highest sensitivity among the facts that the action used, from 0 to 1.
    pub personal: f64,
    /// In the order of [`Term::ALL`].
    values: [f64; Term::ALL.len()],
}

impl fmt::Debug for Score {
    /// Every value with its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Score");
        shown.field("total", &self.total).field("personal", &self.personal);
        self.terms().for_each(|(term, value)| _ = shown.field(term.name(), &value));
        shown.finish()
    }
}

impl Score {
    /// The score with these terms, in the order of [`Term::ALL`], and this sensitivity.
    #[must_use]
    pub fn of(values: [f64; Term::ALL.len()], personal: f64) -> Self {
        let mut score = Self { total: 0.0, personal, values };
        score.total = score.gain() - score.intrusiveness();
        score
    }

    /// The terms that the total is made of, in the order of the formula.
    pub fn terms(&self) -> impl Iterator<Item = (Term, f64)> {
        Term::ALL.into_iter().zip(self.values)
    }

    /// The value of one term: a factor, or points.
    #[must_use]
    pub fn get(&self, term: Term) -> f64 {
        self.values.get(term.index()).copied().unwrap_or_default()
    }

    /// The sum of everything against the action, in points.
    #[must_use]
    pub fn intrusiveness(&self) -> f64 {
        let [_, _, _, costs @ ..] = self.values;
        costs.into_iter().fold(0.0, |sum, cost| sum + cost)
    }

    /// The same score with other points of pressure and hurt.
    #[must_use]
    pub fn with(&self, pressure: f64, hurt: f64) -> Self {
        let [relevance, worth, factor, base, interruption, personal, ..] = self.values;
        Self::of([relevance, worth, factor, base, interruption, personal, pressure, hurt], self.personal)
    }

    /// The product of everything for the action, in points.
    fn gain(&self) -> f64 {
        let [relevance, worth, personal_factor, ..] = self.values;
        relevance * worth * personal_factor
    }

    /// How many more points of relevance raise the total by a number of points.
    #[must_use]
    pub fn relevance_for(&self, points: f64) -> f64 {
        points / (self.get(Term::Worth) * self.get(Term::PersonalFactor))
    }
}

/// What a score is computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inputs {
    /// Points of relevance, 0 to 100.
    pub relevance: f64,
    /// The action's factor on relevance.
    pub worth: f64,
    /// The highest sensitivity among the facts that the action uses, from 0 to 1.
    pub personal: f64,
    /// The action's intrusiveness, whatever the channel and the moment.
    pub base: f64,
    /// Points for interrupting.
    pub interruption: f64,
    /// Recent contacts, before they are weighted.
    pub pressure: f64,
    /// Bad experiences, before they are weighted; 0 for service and repair.
    pub hurt: f64,
}

impl Inputs {
    /// The upper bound of an action: with every point of relevance, facts of at least this sensitivity, and only its own
    /// intrusiveness against it. For a consent ask, the gain is not known in advance, and it may use nothing personal.
    #[must_use]
    pub fn at_best(action: &Action, personal: f64) -> Self {
        let (relevance, personal) = match action.asks {
            Some(_) => (100.0, 0.0),
            None => (action.relevance.most(), personal),
        };
        let (worth, base) = (action.worth, action.intrusiveness);
        Self { relevance, worth, personal, base, interruption: 0.0, pressure: 0.0, hurt: 0.0 }
    }

    /// The formula.
    #[must_use]
    pub fn score(&self, weights: Arbitration) -> Score {
        let values = [
            self.relevance,
            self.worth,
            1.0 - weights.personal_discount * self.personal,
            self.base,
            self.interruption,
            weights.personal * self.personal,
            weights.pressure * self.pressure,
            weights.hurt * self.hurt,
        ];
        Score::of(values, self.personal)
    }
}

/// The part of intrusiveness that all actions share: no action scores more than its upper bound minus this. Slightly
/// less than the sum, because sums are rounded.
#[must_use]
pub fn common_costs(interruption: f64, pressure: f64, weights: Arbitration) -> f64 {
    interruption + weights.pressure * pressure - 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: Arbitration =
        Arbitration { personal_discount: 0.5, personal: 20.0, pressure: 2.0, hurt: 3.0, threshold: 0.0 };
    /// The example of docs/rules.md, after a complaint.
    const INPUTS: Inputs =
        Inputs { relevance: 70.0, worth: 1.2, personal: 0.3, base: 10.0, interruption: 2.0, pressure: 1.0, hurt: 4.0 };

    #[test]
    fn the_terms_add_up() {
        let score = INPUTS.score(WEIGHTS);
        let values = [70.0, 1.2, 0.85, 10.0, 2.0, 6.0, 2.0, 12.0];
        assert_eq!(score.terms().collect::<Vec<_>>(), Term::ALL.into_iter().zip(values).collect::<Vec<_>>());
        assert_eq!(score.intrusiveness(), 32.0);
        assert_eq!(score.total, 70.0 * 1.2 * 0.85 - 32.0);
        assert!(Term::ALL.into_iter().zip(values).all(|(term, value)| score.get(term) == value));
    }

    #[test]
    fn the_inverse_meets_the_formula() {
        let score = INPUTS.score(WEIGHTS);
        let more = Inputs { relevance: INPUTS.relevance + score.relevance_for(10.0), ..INPUTS };
        assert!((more.score(WEIGHTS).total - score.total - 10.0).abs() < 1e-9);
    }
}
