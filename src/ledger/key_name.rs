//! The names of encryption keys, in frames, key blocks and the register of erasures.

/// The name of a key: random, so that it reveals nothing about the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct KeyName(pub [u8; 16]);
