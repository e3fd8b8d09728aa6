//! The reward that another policy would have earned, estimated from a log by inverse propensity scoring.
//!
//! IPS (Horvitz and Thompson 1952) is unbiased if the log's own choices were random with known propensities; SNIPS
//! (Swaminathan and Joachims 2015) divides by the sum of the weights instead of the count, with a slight bias and much
//! lower variance. The 95 % intervals use the delta method, clustered by customer, because the decisions of one
//! customer are not independent.

use std::collections::HashMap;

/// An estimate of the reward per decision, with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// The estimated reward per decision.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

/// The sums of one customer.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    weight: f64,
    reward: f64,
}

/// Collects the decisions of one policy.
#[derive(Debug, Clone, Default)]
pub struct Estimator {
    customers: HashMap<usize, Sums>,
}

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

impl Estimator {
    /// Adds a decision: its weight is 0 if the policy differs from the log, else 1 / propensity.
    pub fn add(&mut self, customer: usize, weight: f64, reward: f64) {
        let sums = self.customers.entry(customer).or_default();
        sums.count += 1.0;
        sums.weight += weight;
        sums.reward += weight * reward;
    }

    /// The same decisions with weight 0, for a policy that first occurs later.
    #[must_use]
    pub fn blank(&self) -> Self {
        let blank = |(customer, sums): (&usize, &Sums)| (*customer, Sums { count: sums.count, ..Sums::default() });
        Self { customers: self.customers.iter().map(blank).collect() }
    }

    /// Σ weight × reward ÷ decisions.
    #[must_use]
    pub fn ips(&self) -> Option<Estimate> {
        self.ratio(|sums| sums.count)
    }

    /// Σ weight × reward ÷ Σ weight.
    #[must_use]
    pub fn snips(&self) -> Option<Estimate> {
        self.ratio(|sums| sums.weight)
    }

    fn ratio(&self, below: impl Fn(&Sums) -> f64) -> Option<Estimate> {
        let total: f64 = self.sorted().map(|sums| below(&sums)).sum();
        if total <= 0.0 {
            return None;
        }
        let value = self.sorted().map(|sums| sums.reward).sum::<f64>() / total;
        let residuals: f64 = self.sorted().map(|sums| (sums.reward - value * below(&sums)).powi(2)).sum();
        #[expect(clippy::cast_precision_loss, reason = "customers are far fewer than 2^52")]
        let customers = self.customers.len() as f64;
        let correction = if customers > 1.0 { customers / (customers - 1.0) } else { 1.0 };
        let error = Z * (residuals * correction).sqrt() / total;
        Some(Estimate { value, low: value - error, high: value + error })
    }

    /// In a fixed order, so that the floating-point sums are reproducible.
    fn sorted(&self) -> impl Iterator<Item = Sums> {
        let mut customers: Vec<(usize, Sums)> =
            self.customers.iter().map(|(customer, sums)| (*customer, *sums)).collect();
        customers.sort_unstable_by_key(|(customer, _)| *customer);
        customers.into_iter().map(|(_, sums)| sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_three_way_log_gives_each_arm_its_own_rate() {
        let mut estimator = Estimator::default();
        for customer in 0..300 {
            let logged = customer % 3;
            let reward = f64::from(u8::from(logged == 1 && customer % 2 == 0));
            estimator.add(customer, if logged == 1 { 3.0 } else { 0.0 }, reward);
        }
        let (ips, snips) = (estimator.ips().unwrap(), estimator.snips().unwrap());
        assert!((ips.value - 0.5).abs() < 1e-9 && (snips.value - 0.5).abs() < 1e-9);
        assert!(snips.low < 0.5 && 0.5 < snips.high && snips.high - snips.low < ips.high - ips.low);
    }

    #[test]
    fn a_policy_that_the_log_never_tried_has_no_snips() {
        let mut estimator = Estimator::default();
        estimator.add(0, 0.0, 1.0);
        assert_eq!(estimator.snips(), None);
    }
}
