//! The commands of `mgmt`. Answers go to stdout, everything else to stderr.

mod agents;
mod args;
mod collect;
mod get;
mod names;
mod output;
mod plot;
mod report;
mod run;
mod session;
mod view;
mod watch;

pub(crate) use run::main;
