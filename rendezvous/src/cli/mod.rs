//! The commands of `rendezvous`. Answers go to stdout, everything else to stderr.

mod args;
mod ask;
mod ready;
mod run;
mod serve;

pub(crate) use run::main;
