//! What the command lines of `rendezvous`, `im` and `mgmt` have in common.
//!
//! In: flags, environment, one TOML file, signals. Out: settings, a locked data directory, exit codes, one-sentence
//! errors. Nothing here prints; only [`init_logging`] makes later log events appear on stderr.

mod args;
mod config;
#[cfg(unix)]
mod control;
mod data_dir;
mod duration;
mod exit;
mod logging;
mod manual;
mod policy;
mod settings;
mod signals;
mod unmanageable;

pub use args::CommonArgs;
pub use config::{CommonConfig, NoKeys, read_config};
#[cfg(unix)]
pub use control::{ControlSocket, connect};
pub use data_dir::DataDir;
pub use duration::parse_duration;
pub use exit::{CliError, ExitCode};
pub use logging::init_logging;
pub use manual::{write_completions, write_man};
pub use policy::ManagePolicy;
pub use settings::Settings;
pub use signals::{Signal, Signals, within_polite_end};
pub use unmanageable::unmanageable;
