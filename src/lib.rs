//! Tactful.
