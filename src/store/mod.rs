//! Where customers are held. Today: in memory.

mod memory;

pub use memory::{Customers, Kept};
