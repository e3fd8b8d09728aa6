//! Scenarios in virtual time: rule tests and replays of recorded calls, through the same engine as the server.

pub mod estimate;
pub mod line;
pub mod replay;
pub mod shape;
pub mod step;
pub mod test;
