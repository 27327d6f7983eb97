//! The command line of `rendezvous`, as CONTRACT has it.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use mgmt_service::cli_common::CommonArgs;
use overlay::PeerId;

/// A meeting place for Juxta peers: they lease from it, publish what they offer and find each other
#[derive(Debug, Parser)]
#[command(
    name = "rendezvous",
    version,
    max_term_width = 110,
    after_help = "Example:\n  rendezvous run\n\nThe first lines it prints can be pasted into another peer's --rendezvous."
)]
pub(crate) struct Line {
    /// Flags of every command.
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve peers until SIGINT or SIGTERM
    #[command(
        after_help = "Examples:\n  rendezvous run\n  rendezvous run --listen /ip4/127.0.0.1/tcp/0 --http 127.0.0.1:9464 --json"
    )]
    Run(RunArgs),
    /// Print the peer id of this rendezvous
    #[command(after_help = "Example:\n  rendezvous id --data-dir /var/lib/rendezvous")]
    Id,
    /// Check configuration, environment and flags, and print what is in effect
    #[command(after_help = "Example:\n  rendezvous check-config --config /etc/juxta/rendezvous.toml")]
    CheckConfig,
    /// Tell how the running rendezvous is
    #[command(after_help = "Example:\n  rendezvous status --json")]
    Status(ListArgs),
    /// List the peers that hold a lease
    #[command(after_help = "Example:\n  rendezvous peers")]
    Peers(ListArgs),
    /// List the groups that have advertisements
    #[command(after_help = "Example:\n  rendezvous groups")]
    Groups(ListArgs),
    /// Ban a peer, now and after every restart
    #[command(
        after_help = "Example:\n  rendezvous ban 12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X\n\nTo lift a ban, remove its line from banned.txt in the data directory and start again."
    )]
    Ban {
        /// The peer id
        peer: PeerId,
    },
    /// Print the completion script of a shell
    #[command(after_help = "Example:\n  rendezvous completions bash > /etc/bash_completion.d/rendezvous")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  rendezvous man | man -l -")]
    Man,
}

/// Flags of `run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Serve /healthz, /readyz and /metrics on this loopback address; port 0 means any
    #[arg(long, value_name = "ADDR", env = "JUXTA_HTTP", hide_env_values = true)]
    pub(crate) http: Option<SocketAddr>,
    /// Be no relay for peers that can't be dialed, and don't tell them whether they can
    #[arg(long)]
    pub(crate) no_relay: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of the commands that list something.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ListArgs {
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Line::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("rendezvous "), "{} has no example", command.get_name());
        }
    }

    #[test]
    fn flag_that_would_do_nothing_is_not_offered() {
        for words in [["rendezvous", "run", "--seed"], ["rendezvous", "run", "--reload"]] {
            assert!(Line::try_parse_from(words).is_err());
        }
    }
}
