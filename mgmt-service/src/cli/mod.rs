//! The commands of `mgmt`. Answers go to stdout, everything else to stderr.

mod agents;
mod aggregate;
mod args;
mod audit;
mod collect;
mod get;
mod group;
mod history;
mod inside;
mod lines;
mod manage;
mod names;
mod outlook;
mod output;
mod outside;
mod plot;
mod report;
mod retention;
mod run;
mod serve;
mod session;
mod shown;
mod token;
mod usage;
mod view;
mod watch;

pub(crate) use run::main;
