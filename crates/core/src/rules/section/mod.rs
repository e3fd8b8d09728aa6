//! The sections of rule files: each file reads YAML into types of [`crate::domain::model`].
//!
//! Names are declared before expressions are compiled, so the order of files and sections does not matter.

pub mod action;
pub mod attribute;
pub mod channel;
pub mod condition;
pub mod context;
pub mod event;
pub mod journey;
pub mod limit;
pub mod lint;
pub mod policy;
pub mod purpose;
pub mod template;
