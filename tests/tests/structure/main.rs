//! The shape of the source, checked as text: what the compiler and clippy cannot say.
//!
//! In: every `.rs` file and manifest of the workspace. Out: one line for each violation.
//! Each check is also fed a sample that breaks its rule, so that a check that has gone blind fails.

mod documents;
mod floors;
mod habits;
mod layers;
mod manifests;
mod purity;
mod rust_text;
mod size;
mod use_paths;
mod workspace;
