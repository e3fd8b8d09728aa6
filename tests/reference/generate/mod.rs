//! Random rule sets and random histories, the same for the same seed.

pub mod change;
pub mod conduct;
pub mod coverage;
pub mod declarations;
pub mod declared;
pub mod expression;
pub mod history;
pub mod random;
pub mod rules;
pub mod samples;
pub mod times;
pub mod values;
pub mod yaml;
