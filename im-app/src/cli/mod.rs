//! The command line `im`: what it takes, what it starts, how it ends.

mod args;
mod client;
mod doctor;
mod node;
mod one_shot;
mod run;

pub use args::{ImArgs, ImConfig, OneShot, Subcommand};
pub use client::{Client, Fault};
pub use node::{Node, Plan};
pub use run::run;
