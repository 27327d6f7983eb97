//! The flags that every command line has, before and after the subcommand.
//!
//! In: the command line and `JUXTA_…` variables (clap lets the flag win). Out: what was said, `None` where nothing was.

use std::path::PathBuf;

use clap::Args;
use overlay::Multiaddr;

use super::exit::CliError;
use super::policy::ManagePolicy;

/// Flags of every program; embed them with `#[command(flatten)]`.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct CommonArgs {
    /// Where the identity and everything kept lives [default: the platform's data directory]
    #[arg(long, global = true, value_name = "DIR", env = "JUXTA_DATA_DIR", hide_env_values = true)]
    pub data_dir: Option<PathBuf>,

    /// Settings as TOML; flags and environment go before it
    #[arg(long, global = true, value_name = "FILE", env = "JUXTA_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,

    /// The name others see; kept in the data directory
    #[arg(long, global = true, value_name = "NAME", env = "JUXTA_NAME", hide_env_values = true)]
    pub name: Option<String>,

    /// Address to listen on, port 0 means any (repeatable)
    #[arg(
        long,
        global = true,
        value_name = "MULTIADDR",
        env = "JUXTA_LISTEN",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub listen: Vec<Multiaddr>,

    /// Rendezvous to meet others at (repeatable)
    #[arg(
        long,
        global = true,
        value_name = "MULTIADDR",
        env = "JUXTA_RENDEZVOUS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub rendezvous: Vec<Multiaddr>,

    /// Never look for peers on the local network
    #[arg(long, global = true, env = "JUXTA_NO_MDNS", hide_env_values = true)]
    pub no_mdns: bool,

    /// Who may manage this peer: off, open, or whom the ticket of a management group lets in [default: off]
    #[arg(long, global = true, value_name = "WHO", env = "JUXTA_MANAGE", hide_env_values = true)]
    pub manage: Option<ManagePolicy>,

    /// Which log events go to stderr, as in info,overlay=debug (also RUST_LOG)
    #[arg(long, global = true, value_name = "FILTER", env = "JUXTA_LOG", hide_env_values = true)]
    pub log: Option<String>,
}

impl CommonArgs {
    /// What clap found wrong with a command line, as one sentence; `None` when it is no error but an answer (`--help`,
    /// `--version`), which the caller prints with [`clap::Error::print`].
    #[must_use]
    pub fn usage_error(program: &str, error: &clap::Error) -> Option<CliError> {
        if !error.use_stderr() {
            return None;
        }
        let text = error.to_string();
        let said = text.split("Usage:").next().unwrap_or_default();
        let said = said.split("For more information").next().unwrap_or_default();
        let words: Vec<&str> = said.trim_start_matches("error: ").split_whitespace().collect();
        Some(
            if words.is_empty()
                || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            {
                CliError::usage(format_args!("no command given; see `{program} --help`"))
            } else {
                CliError::usage(format_args!("{}; see `{program} --help`", words.join(" ")))
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::{Parser, Subcommand};

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "peer")]
    struct Line {
        #[command(flatten)]
        common: CommonArgs,
        #[command(subcommand)]
        command: Run,
    }

    #[derive(Debug, Subcommand)]
    enum Run {
        Run,
    }

    fn parse(words: &[&str]) -> Result<Line, clap::Error> {
        Line::try_parse_from(std::iter::once(&"peer").chain(words))
    }

    #[test]
    fn flags_count_before_and_after_the_subcommand() {
        for words in [["--data-dir", "/d", "run"], ["run", "--data-dir", "/d"]] {
            let line = parse(&words).unwrap();
            assert_eq!(line.common.data_dir, Some(PathBuf::from("/d")));
            assert!(matches!(line.command, Run::Run));
        }
    }

    #[test]
    fn repeatable_flags_collect() {
        let line = parse(&["run", "--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip6/::1/tcp/0"]).unwrap();
        assert_eq!(line.common.listen.len(), 2);
    }

    #[test]
    fn wrong_usage_is_one_sentence_that_says_what_to_do() {
        let wrong: [(&[&str], &str); 4] = [
            (&[], "no command given"),
            (&["rum"], "unrecognized subcommand 'rum'"),
            (&["run", "--listen", "here"], "invalid value 'here' for '--listen <MULTIADDR>'"),
            (&["run", "--manage", "all"], "invalid value 'all' for '--manage <WHO>'"),
        ];
        for (words, said) in wrong {
            let error = CommonArgs::usage_error("peer", &parse(words).unwrap_err()).expect("an error");
            let text = error.to_string();
            assert!(text.starts_with(said) && text.ends_with("see `peer --help`"), "{text}");
            assert!(!text.contains('\n'));
        }
    }

    #[test]
    fn help_names_tickets_among_who_may_manage() {
        let help = parse(&["--help"]).unwrap_err().to_string();
        let words: Vec<&str> = help.split_whitespace().collect();
        assert!(words.join(" ").contains("off, open, or whom the ticket of a management group"), "{help}");
    }

    #[test]
    fn help_is_an_answer_and_no_error() {
        let error = parse(&["--help"]).unwrap_err();
        assert_eq!(CommonArgs::usage_error("peer", &error), None);
    }
}
