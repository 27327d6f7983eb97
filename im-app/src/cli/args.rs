//! The flags and subcommands of `im`.

use std::time::Duration;

use clap::{Args, Parser};
use clap_complete::Shell;
use mgmt_service::cli_common::{CommonArgs, parse_duration};
use serde::Deserialize;

/// Instant messages and presence, from peer to peer.
#[derive(Debug, Clone, Parser)]
#[command(name = "im", version, about, after_help = EXAMPLES)]
pub struct ImArgs {
    /// Flags of every program.
    #[command(flatten)]
    pub common: CommonArgs,

    /// Flags of `im` alone.
    #[command(flatten)]
    pub own: ImFlags,

    /// What to do instead of running the messenger.
    #[command(subcommand)]
    pub command: Option<Subcommand>,
}

/// Flags of `im` alone.
#[derive(Debug, Clone, Default, Args)]
pub struct ImFlags {
    /// Speak JSON Lines: commands on stdin, events on stdout
    #[arg(long, conflicts_with = "plain")]
    pub jsonl: bool,

    /// Lines in, lines out; nothing on the screen is redrawn
    #[arg(long)]
    pub plain: bool,

    /// Be the rendezvous too, and print the address for the --rendezvous of others
    #[arg(long)]
    pub host: bool,

    /// Time between two PINGs to a buddy [default: 10s]
    #[arg(long, global = true, value_name = "DURATION", env = "JUXTA_PING_PERIOD", hide_env_values = true, value_parser = parse_duration)]
    pub ping_period: Option<Duration>,

    /// After which a PING counts as unanswered [default: one period]
    #[arg(long, global = true, value_name = "DURATION", env = "JUXTA_PING_TIMEOUT", hide_env_values = true, value_parser = parse_duration)]
    pub ping_timeout: Option<Duration>,
}

/// What to do instead of running the messenger.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Subcommand {
    /// One thing, done through the running messenger or without one.
    #[command(flatten)]
    OneShot(OneShot),

    /// See it all at once on this machine: a rendezvous, people who chat, and a manager who sees their latency
    #[command(after_help = "Example: im demo --peers 6 --for 30s --out /tmp/demo")]
    Demo(DemoArgs),

    /// Print a completion script for a shell
    #[command(after_help = "Example: im completions bash > ~/.local/share/bash-completion/completions/im")]
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: Shell,
    },

    /// Print the manual page
    #[command(after_help = "Example: im man | man -l -")]
    Man,
}

/// Flags of `im demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// How many people, 2 to 16
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=16))]
    pub peers: u8,

    /// How long; without, until Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub lasts: Option<Duration>,

    /// Where records.csv and the figures go
    #[arg(long, value_name = "DIR", default_value = "juxta-demo")]
    pub out: std::path::PathBuf,
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum OneShot {
    /// Print the own peer id
    #[command(after_help = "Example: im id")]
    Id,

    /// Print the own invite, to be handed to a friend
    #[command(after_help = "Example: im invite")]
    Invite,

    /// Ask somebody to be your buddy
    #[command(after_help = "Example: im add juxta:aeacmaaia… --alias bob")]
    Add {
        /// Their invite
        invite: String,
        /// How to call them
        #[arg(long, value_name = "NAME")]
        alias: Option<String>,
    },

    /// Send a message; refused when the buddy is offline
    #[command(after_help = "Example: im send bob see you at five")]
    Send {
        /// An alias or a peer id
        #[arg(value_name = "NAME")]
        buddy: String,
        /// What to say; several words are one message
        #[arg(required = true, num_args = 1..)]
        text: Vec<String>,
    },

    /// Change the own status
    #[command(after_help = "Example: im status away 'back at five'")]
    Status {
        /// online, busy, away or offline
        state: crate::status::Status,
        /// A few words beside it
        note: Option<String>,
    },

    /// Print how all buddies are
    #[command(after_help = "Example: im roster")]
    Roster,

    /// Print what was said with a buddy
    #[command(after_help = "Example: im history bob --search 'tea five'")]
    History {
        /// An alias or a peer id
        #[arg(value_name = "NAME")]
        buddy: String,
        /// Only messages with all these words
        #[arg(long, value_name = "WORDS")]
        search: Option<String>,
    },

    /// Look whether everything is in order, and say what to do about what is not
    #[command(after_help = "Example: im doctor")]
    Doctor,
}

/// Keys of `im` alone in the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImConfig {
    /// As `--ping-period`.
    pub ping_period: Option<String>,
    /// As `--ping-timeout`.
    pub ping_timeout: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  im --name ann --host                 chat, and be the rendezvous of your friends
  im --name bob --rendezvous ADDRESS   chat through the rendezvous at ADDRESS
  im add juxta:aeacmaaia…              ask somebody to be your buddy
  im send bob see you at five          send a message from a script
  im --jsonl                           the same for programs";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<ImArgs, clap::Error> {
        ImArgs::try_parse_from(std::iter::once(&"im").chain(words))
    }

    #[test]
    fn the_definition_is_sound() {
        ImArgs::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in ImArgs::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
        }
    }

    #[test]
    fn several_words_are_one_message_and_none_is_wrong_usage() {
        let sent = parse(&["send", "bob", "good", "morning"]).unwrap();
        let text = vec!["good".to_owned(), "morning".to_owned()];
        assert_eq!(sent.common.name, None, "the buddy's name is not this user's");
        let Some(Subcommand::OneShot(sent)) = sent.command else { panic!("a one-shot command") };
        let buddy = "bob".to_owned();
        assert_eq!(sent, OneShot::Send { buddy, text });
        assert!(parse(&["send", "bob"]).is_err());
        assert!(parse(&["--ping-period", "soon"]).is_err());
        assert!(parse(&["status", "asleep"]).is_err());
        assert!(parse(&["--web"]).is_err());
    }
}
