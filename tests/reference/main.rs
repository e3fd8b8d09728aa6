//! The engine against a reference model: a second, plain interpreter written from the documents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod model;
mod smoke;
mod story;
