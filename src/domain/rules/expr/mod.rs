//! Expressions: CEL syntax, a documented subset, checked and compiled when the rules load.
//!
//! Text becomes tokens (`lexer`), tokens a tree (`parser`, `ast`), the tree a typed program over facts
//! (`check`, `fact`, `program`), and a program a value (`evaluate`). What could fail is refused at load.

pub mod ast;
pub mod check;
pub mod evaluate;
pub mod fact;
pub mod lexer;
pub mod parser;
pub mod print;
pub mod program;

pub use check::{Checked, NO_STAGE, Scope, check, compile};
pub use evaluate::{Facts, evaluate};
pub use fact::{Fact, FactEntry, FactId, FactTable, Property};
pub use program::{Arithmetic, Comparison, Node, Program};
