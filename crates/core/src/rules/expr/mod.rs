//! Expressions: CEL syntax, a documented subset, checked and compiled when the rules load.
//!
//! Text becomes tokens (`lexer`), tokens a tree (`parser`, `ast`), and the tree a typed program over facts (`check`). What
//! could fail is refused at load.

pub mod ast;
pub mod check;
pub mod lexer;
pub mod parser;
pub mod print;

pub use check::{Checked, Scope, check, compile};
