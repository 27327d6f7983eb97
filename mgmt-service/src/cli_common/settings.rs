//! The settings of every program after layering: flag beats environment beats file beats default.
//!
//! In: [`CommonArgs`] (flag and environment) and the file they name. Out: [`Settings`] and the program's own keys.

use std::path::PathBuf;

use overlay::Multiaddr;
use serde::de::DeserializeOwned;

use super::args::CommonArgs;
use super::config::{CommonConfig, read_config};
use super::data_dir::DataDir;
use super::exit::CliError;
use super::policy::ManagePolicy;

/// What every program needs to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where everything kept lives; [`DataDir::open`] makes and locks it.
    pub data_dir: PathBuf,
    /// The name that was given now, if any; [`DataDir::name`] knows the kept one.
    pub name: Option<String>,
    /// Addresses to listen on; empty: the program chooses.
    pub listen: Vec<Multiaddr>,
    /// Rendezvous to meet others at.
    pub rendezvous: Vec<Multiaddr>,
    /// Whether peers on the local network may be looked for.
    pub mdns: bool,
    /// Who may manage this peer; `None`: nobody said, [`ManagePolicy::default`] unless the program has another.
    pub manage: Option<ManagePolicy>,
    /// Which log events go to stderr.
    pub log: String,
}

impl Settings {
    /// Layers `args` over the file they name over the defaults of `program`; `P` are the program's own keys in the file,
    /// at their default when there is no file.
    ///
    /// # Errors
    /// Wrong usage: a file that can't be read or understood, no place for data.
    pub fn layer<P>(args: CommonArgs, program: &str, log_default: &str) -> Result<(Self, P), CliError>
    where
        P: DeserializeOwned + Default,
    {
        let (file, own) = match &args.config {
            Some(file) => {
                read_config(file).map_err(|error| CliError::usage(format_args!("configuration: {error}")))?
            }
            None => <(CommonConfig, P)>::default(),
        };
        let rust_log = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
        let settings = Self::merge(args, file, rust_log, program, log_default)?;
        Ok((settings, own))
    }

    fn merge(
        args: CommonArgs,
        file: CommonConfig,
        rust_log: Option<String>,
        program: &str,
        log_default: &str,
    ) -> Result<Self, CliError> {
        let data_dir = match args.data_dir.or(file.data_dir) {
            Some(path) => path,
            None => DataDir::default_path(program).map_err(|error| {
                CliError::usage(format_args!("{error}; name a directory with --data-dir"))
            })?,
        };
        Ok(Self {
            data_dir,
            name: args.name.or(file.name),
            listen: if args.listen.is_empty() { file.listen } else { args.listen },
            rendezvous: if args.rendezvous.is_empty() { file.rendezvous } else { args.rendezvous },
            mdns: !(args.no_mdns || file.no_mdns),
            manage: args.manage.or(file.manage),
            log: args.log.or(rust_log).or(file.log).unwrap_or_else(|| log_default.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::NoKeys;
    use super::*;

    fn merged(args: CommonArgs, file: CommonConfig, rust_log: Option<&str>) -> Settings {
        let args = CommonArgs { data_dir: args.data_dir.or(Some("/d".into())), ..args };
        Settings::merge(args, file, rust_log.map(str::to_owned), "peer", "warn").unwrap()
    }

    #[test]
    fn what_was_said_beats_the_file_and_the_file_beats_the_default() {
        let file =
            CommonConfig { log: Some("info".into()), name: Some("file".into()), ..CommonConfig::default() };
        let said = CommonArgs { log: Some("debug".into()), ..CommonArgs::default() };
        assert_eq!(merged(said.clone(), file.clone(), Some("trace")).log, "debug");
        assert_eq!(merged(CommonArgs::default(), file.clone(), Some("trace")).log, "trace");
        assert_eq!(merged(CommonArgs::default(), file.clone(), None).log, "info");
        assert_eq!(merged(CommonArgs::default(), CommonConfig::default(), None).log, "warn");
        assert_eq!(merged(said, file, None).name.as_deref(), Some("file"));
    }

    #[test]
    fn a_said_list_replaces_the_list_of_the_file() {
        let here: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        let there: Multiaddr = "/ip4/127.0.0.1/tcp/2".parse().unwrap();
        let file = CommonConfig { rendezvous: vec![there.clone()], ..CommonConfig::default() };
        let said = CommonArgs { rendezvous: vec![here.clone()], ..CommonArgs::default() };
        assert_eq!(merged(said, file.clone(), None).rendezvous, [here]);
        assert_eq!(merged(CommonArgs::default(), file, None).rendezvous, [there]);
    }

    #[test]
    fn a_broken_file_is_wrong_usage_in_one_sentence() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "nmae = \"x\"").unwrap();
        let args = CommonArgs { config: Some(file.path().to_owned()), ..CommonArgs::default() };
        let error = Settings::layer::<NoKeys>(args, "peer", "warn").unwrap_err();
        assert_eq!(error.code as u8, 2);
        let text = error.to_string();
        assert!(text.contains("nmae") && text.contains("line 1") && !text.contains('\n'), "{text}");
    }
}
