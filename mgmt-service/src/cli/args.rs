//! What can be said on the command line of `mgmt`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use mgmt_service::access::ManagementRole;
use mgmt_service::cli_common::{CommonArgs, parse_duration};
use mgmt_service::jmx::{ObjectName, ObjectNamePattern};
use mgmt_service::limits::{AGGREGATOR_LEVEL_MAX, CHECKS, CHECKS_MAX};
use mgmt_service::net::OtlpUrl;

use super::retention::RetentionArgs;

/// Manages the peers of an overlay: who is there, what they measure, how far apart they are
#[derive(Debug, Parser)]
#[command(name = "mgmt", version, after_help = EXAMPLES)]
pub(super) struct Line {
    #[command(flatten)]
    pub(super) common: CommonArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Creates the management group; this data directory holds it and lets others in
    #[command(after_help = "Example:\n  mgmt init --rendezvous /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…")]
    Init,
    /// Prints a ticket into the management group and waits until it was used
    #[command(after_help = "Example:\n  mgmt invite agent --for 10m\n  im --manage juxta-group:…")]
    Invite {
        /// agent, reader, operator, aggregator or issuer
        #[arg(value_name = "ROLE")]
        role: ManagementRole,
        /// How long to wait; until it was used or Ctrl-C when not given
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        duration: Option<Duration>,
    },
    /// Enters the management group by a ticket
    #[command(after_help = "Example:\n  mgmt join juxta-group:…")]
    Join {
        /// What mgmt invite has printed
        #[arg(value_name = "TICKET")]
        ticket: String,
    },
    /// Ends the membership of a peer
    #[command(after_help = "Example:\n  mgmt revoke 12D3KooW…")]
    Revoke {
        /// Its id; its name while its agent is there
        #[arg(value_name = "PEER")]
        peer: String,
    },
    /// Sets an attribute of a managed object
    #[command(
        after_help = "Example:\n  mgmt set alice juxta:type=messenger-settings ping_period_ms=5000 --dry-run"
    )]
    Set {
        /// Id or name of a peer
        #[arg(value_name = "PEER")]
        peer: String,
        /// Name of the object
        #[arg(value_name = "NAME")]
        object: ObjectName,
        /// The attribute and its value
        #[arg(value_name = "ATTR=VALUE", value_parser = parse_assignment)]
        assignment: (String, String),
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
        /// Only if the attribute has this version
        #[arg(long, value_name = "VERSION")]
        version: Option<u64>,
    },
    /// Has something done by a managed object
    #[command(
        after_help = "Example:\n  mgmt invoke alice juxta:type=monitors add-gauge juxta:type=arm in_flight 5 50"
    )]
    Invoke {
        /// Id or name of a peer
        #[arg(value_name = "PEER")]
        peer: String,
        /// Name of the object
        #[arg(value_name = "NAME")]
        object: ObjectName,
        /// What to do; see mgmt describe
        #[arg(value_name = "OPERATION")]
        operation: String,
        /// What it takes
        #[arg(value_name = "ARG", allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// What a managed object is, what can be set and invoked there
    #[command(after_help = "Example:\n  mgmt describe alice juxta:type=monitors")]
    Describe {
        /// Id or name of a peer
        #[arg(value_name = "PEER")]
        peer: String,
        /// Name of the object
        #[arg(value_name = "NAME")]
        object: ObjectName,
    },
    /// The audit log of an agent
    #[command(after_help = "Example:\n  mgmt audit verify audit.log")]
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Who can be managed here
    #[command(after_help = "Example:\n  mgmt agents --rendezvous /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…")]
    Agents {
        /// One JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Managed objects of a peer, or of all
    #[command(
        after_help = "Examples:\n  mgmt get alice 'juxta:*'\n  mgmt get '*' '*:dest=*,*' status response_us --json"
    )]
    Get {
        /// Id or name of a peer; * for all
        #[arg(value_name = "PEER")]
        peer: String,
        /// JMX object name pattern, as in '*:dest=*,*'
        #[arg(value_name = "PATTERN")]
        pattern: ObjectNamePattern,
        /// Attributes; all when none is named
        #[arg(value_name = "ATTR")]
        attributes: Vec<String>,
        /// One JSON array instead of text
        #[arg(long)]
        json: bool,
    },
    /// Records as they come
    #[command(
        after_help = "Examples:\n  mgmt watch\n  mgmt watch '*:dest=12D3KooW…,*' --jsonl --for 1m\n  mgmt watch 'juxta:*' --notifications"
    )]
    Watch {
        /// Names of the records; all when none is given
        #[arg(value_name = "PATTERN")]
        pattern: Option<ObjectNamePattern>,
        /// One JSON object a line instead of text
        #[arg(long)]
        jsonl: bool,
        /// Also what monitors say: first what agents remember, then as it comes; in JSON with the field `notification`
        #[arg(long)]
        notifications: bool,
        /// How long; until Ctrl-C when not given
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        duration: Option<Duration>,
    },
    /// Collects the records of every agent in the data directory's store, and says at the end what they were
    #[command(
        after_help = "Examples:\n  mgmt collect --for 10m --csv records.csv\n  mgmt collect --standing   as a service: \
agents gather a minute, and keep what it misses"
    )]
    Collect {
        /// How long; until Ctrl-C when not given
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        duration: Option<Duration>,
        /// A file besides; an existing one is overwritten
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
        /// Agents keep on their disks what they measure while this manager is away, until a collect without it ends that
        #[arg(long)]
        standing: bool,
        #[command(flatten)]
        retention: RetentionArgs,
    },
    /// The latency matrix: who is how far from whom
    #[command(after_help = "Examples:\n  mgmt view --for 30s\n  mgmt view --json")]
    View {
        /// One JSON object instead of a table
        #[arg(long)]
        json: bool,
        /// How long; a terminal shows it live until Ctrl-C when not given, others get what the agents hold now
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        duration: Option<Duration>,
    },
    /// Takes the figures of many peers of the management group and hands them on; enter as aggregator first
    #[command(
        after_help = "Examples:\n  mgmt invite aggregator\n  mgmt join juxta-group:…\n  mgmt aggregate\n  mgmt aggregate --level 2\n  mgmt aggregate --manage open"
    )]
    Aggregate {
        /// 1 takes those of peers, 2 those of aggregators of level 1, and so on
        #[arg(long, value_name = "LEVEL", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(AGGREGATOR_LEVEL_MAX)))]
        level: u8,
        /// How long an interval is; the same at all aggregators of a group
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "60s")]
        interval: Duration,
        /// How long; until Ctrl-C when not given
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        duration: Option<Duration>,
    },
    /// Figures of all peers that report to aggregators: how many, how fast, and of how many peers
    #[command(
        after_help = "Examples:\n  mgmt totals\n  mgmt totals --json\n  mgmt totals --check 64\nExits with 1 when a check finds that an aggregator is contradicted."
    )]
    Totals {
        /// Spot checks: so often a peer is asked what it has reported, and each aggregator above it what it counted
        #[arg(long, value_name = "K", default_value_t = CHECKS, value_parser = clap::value_parser!(u32).range(0..=i64::from(CHECKS_MAX)))]
        check: u32,
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// The dashboard, /metrics and Jolokia over HTTP, on loopback; prints the link that lets a browser in, once
    #[command(
        after_help = "Examples:\n  mgmt serve\n  mgmt serve --http 127.0.0.1:8080 --otlp http://127.0.0.1:4318 --slo objectives.toml"
    )]
    Serve {
        /// A loopback address; port 0 means any
        #[arg(
            long,
            value_name = "ADDR",
            default_value = "127.0.0.1:0",
            env = "JUXTA_HTTP",
            hide_env_values = true
        )]
        http: SocketAddr,
        /// An OpenTelemetry collector to push metrics and traces to, peers under pseudonyms
        #[arg(long, value_name = "URL", env = "JUXTA_OTLP", hide_env_values = true)]
        otlp: Option<OtlpUrl>,
        /// A TOML file of objectives, as for mgmt report
        #[arg(long, value_name = "FILE")]
        slo: Option<PathBuf>,
        /// An agent whose last record is older is an alarm; while agents gather, a minute more
        #[arg(
            long,
            value_name = "DURATION",
            value_parser = parse_duration,
            default_value = "60s",
            env = "JUXTA_SILENT_AFTER",
            hide_env_values = true
        )]
        silent_after: Duration,
        #[command(flatten)]
        retention: RetentionArgs,
    },
    /// Service levels, who is distant or slow and since when, peaks and their causes, accounting; from the store
    #[command(
        after_help = "Examples:\n  mgmt report --since 1h\n  mgmt report --slo objectives.toml --json\n\n\
Exit code 1 when an objective is broken. A file of objectives:\n\n  [[objective]]\n  name = \"answers are quick\"\n  \
latency_ms = 50\n  share = 0.99\n  windows = [\"5m\", \"1h\"]\n\n  [[objective]]\n  name = \"answers come\"\n  availability = 0.999"
    )]
    Report {
        /// A TOML file of objectives
        #[arg(long, value_name = "FILE")]
        slo: Option<PathBuf>,
        /// How far back
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "24h")]
        since: Duration,
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Figure 8 of what the store holds: the series and the distribution of response times, as SVG
    #[command(after_help = "Example:\n  mgmt plot --out figures --since 1h")]
    Plot {
        /// A directory; made when missing, files in it are overwritten
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// How far back
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "24h")]
        since: Duration,
    },
    /// A completion script
    #[command(after_help = "Example:\n  mgmt completions bash > /etc/bash_completion.d/mgmt")]
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// The manual page
    #[command(after_help = "Example:\n  mgmt man | man -l -")]
    Man,
}

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Checks the chain of hashes; says the first line that is not as it was written
    #[command(after_help = "Example:\n  mgmt audit verify audit.log --head 5f2c…")]
    Verify {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A hash that a line must have, as the agent's juxta:type=audit has shown it
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
}

fn parse_assignment(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be ATTR=VALUE"),
    }
}

const EXAMPLES: &str = "Example:\n  mgmt collect --rendezvous /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW… --for 10m --csv records.csv\n\n\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 cannot reach, 4 refused, 130 interrupted.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<Line, clap::Error> {
        Line::try_parse_from(std::iter::once(&"mgmt").chain(words))
    }

    #[test]
    fn every_command_has_an_example() {
        let mut command = Line::command();
        command.build();
        for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
            let help = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("mgmt "), "{}", subcommand.get_name());
        }
        command.debug_assert();
    }

    #[test]
    fn commands_are_read_as_promised() {
        let line = parse(&["collect", "--for", "45s", "--csv", "r.csv", "--data-dir", "/d"]).unwrap();
        assert!(
            matches!(line.command, Command::Collect { duration: Some(for_), csv: Some(_), standing: false, .. } if for_.as_secs() == 45)
        );
        let line = parse(&["collect", "--standing"]).unwrap();
        assert!(matches!(line.command, Command::Collect { duration: None, csv: None, standing: true, .. }));
        let line = parse(&["get", "*", "*:dest=*,*", "status", "response_us", "--json"]).unwrap();
        assert!(matches!(line.command, Command::Get { attributes, json: true, .. } if attributes.len() == 2));
        assert!(parse(&["watch", "--jsonl"]).is_ok() && parse(&["view", "--json"]).is_ok());
    }

    #[test]
    fn wrong_usage_names_what_is_wrong() {
        for (words, said) in [
            (["get", "alice", "nonsense"], "at character 9: the colon after the domain is missing"),
            (["collect", "--for", "45"], "'45' for '--for <DURATION>': not a duration such as 45s or 10m"),
            (["collect", "--for", "0s"], "must be longer than zero"),
        ] {
            let error = parse(&words).unwrap_err();
            let sentence = CommonArgs::usage_error("mgmt", &error).unwrap().to_string();
            assert!(sentence.contains(said), "{sentence}");
        }
        assert!(
            parse(&["report"]).is_ok() && parse(&["plot", "--out", "d"]).is_ok() && parse(&["plot"]).is_err()
        );
        // The name of an object is another thing than --name.
        let line = parse(&["set", "alice", "a:b=c", "x=y=z", "--dry-run", "--name", "boss"]).unwrap();
        assert!(
            matches!(line.command, Command::Set { assignment, dry_run: true, .. } if assignment.1 == "y=z")
        );
        assert!(parse(&["set", "alice", "a:b=c", "x"]).is_err() && parse(&["invite", "root"]).is_err());
        let line = parse(&["invoke", "alice", "a:b=c", "go", "-1", "x"]).unwrap();
        assert!(matches!(line.command, Command::Invoke { arguments, .. } if arguments == ["-1", "x"]));
        assert!(parse(&["describe", "alice", "a:b=c"]).is_ok());
        assert!(parse(&["serv"]).is_err());
        assert!(parse(&["aggregate", "--level", "2", "--interval", "1s"]).is_ok());
        assert!(
            parse(&["aggregate", "--level", "0"]).is_err() && parse(&["aggregate", "--level", "5"]).is_err()
        );
    }
}
