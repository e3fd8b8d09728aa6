//! Rules: files become documents, documents become one checked, immutable rule set.
//!
//! `source` reads YAML with places, `fields`, `scalar`, `reader` and `section` turn it into declarations, `expr` checks and compiles
//! expressions, `load` combines everything and reports every mistake of every file at once.

mod character;
pub mod code;
pub mod diagnostic;
pub mod expr;
pub mod fields;
pub mod format;
mod lint;
pub mod load;
pub mod name_kind;
pub mod names;
pub mod reader;
pub mod scalar;
pub mod schema;
pub mod section;
pub mod shape;
pub mod sink;
pub mod size;
pub mod source;
pub mod succession;
pub mod unseen;

pub use load::{Loaded, load};
