//! The configuration file: TOML, whose keys are the names of the flags.
//!
//! In: a file of at most `CONFIG_BYTES_MAX`. Out: the keys that every program has and those of one program, or an
//! error that names the place. A key that nobody knows is an error.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use overlay::Multiaddr;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use toml::Spanned;
use toml::de::{DeTable, Deserializer as TomlDeserializer};

use super::policy::ManagePolicy;
use crate::error::ConfigError;
use crate::limits::CONFIG_BYTES_MAX;

/// Keys of every program, named like the flags (`data-dir`, `rendezvous`, …).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommonConfig {
    /// Where everything kept lives.
    pub data_dir: Option<PathBuf>,
    /// The name others see.
    pub name: Option<String>,
    /// Addresses to listen on.
    #[serde(deserialize_with = "many_from_text")]
    pub listen: Vec<Multiaddr>,
    /// Rendezvous to meet others at.
    #[serde(deserialize_with = "many_from_text")]
    pub rendezvous: Vec<Multiaddr>,
    /// Never look for peers on the local network.
    pub no_mdns: bool,
    /// Who may manage this peer.
    #[serde(deserialize_with = "from_text")]
    pub manage: Option<ManagePolicy>,
    /// Which log events go to stderr.
    pub log: Option<String>,
}

impl CommonConfig {
    /// The names of the keys above.
    const KEYS: [&'static str; 7] = ["data-dir", "name", "listen", "rendezvous", "no-mdns", "manage", "log"];
}

/// A program without keys of its own: `read_config::<NoKeys>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoKeys;

impl<'de> Deserialize<'de> for NoKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NoKeysVisitor)
    }
}

struct NoKeysVisitor;

impl<'de> Visitor<'de> for NoKeysVisitor {
    type Value = NoKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no other keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NoKeys, A::Error> {
        match map.next_key::<String>()? {
            Some(key) => Err(A::Error::unknown_field(&key, &CommonConfig::KEYS)),
            None => Ok(NoKeys),
        }
    }
}

/// Reads `file`: the common keys, and what is left as `P`, which should be `deny_unknown_fields`.
///
/// # Errors
/// [`ConfigError`], which names the file and, for a mistake inside, line and column.
pub fn read_config<P: DeserializeOwned>(file: &Path) -> Result<(CommonConfig, P), ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
    let mut text = String::new();
    let limit = CONFIG_BYTES_MAX.saturating_add(1);
    File::open(file).and_then(|opened| opened.take(limit).read_to_string(&mut text)).map_err(unreadable)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(ConfigError::TooLarge { file: file.to_owned(), max: CONFIG_BYTES_MAX });
    }
    split::<P>(&text).map_err(|error| {
        let (line, column) = error.span().map_or((1, 1), |span| place(&text, span.start));
        let reason = error.message().lines().collect::<Vec<_>>().join("; ");
        ConfigError::Malformed { file: file.to_owned(), line, column, reason }
    })
}

/// Gives the common keys to one reader and the others to the program's own.
fn split<P: DeserializeOwned>(text: &str) -> Result<(CommonConfig, P), toml::de::Error> {
    let root = DeTable::parse(text)?;
    let span = root.span();
    let (common, own): (DeTable<'_>, DeTable<'_>) = root
        .into_inner()
        .into_iter()
        .partition(|(key, _)| CommonConfig::KEYS.contains(&key.get_ref().as_ref()));
    let common = CommonConfig::deserialize(TomlDeserializer::from(Spanned::new(span.clone(), common)))?;
    let own = P::deserialize(TomlDeserializer::from(Spanned::new(span, own)))?;
    Ok((common, own))
}

/// Line and column, both from 1, of a byte of `text`.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    (before.matches('\n').count() + 1, column + 1)
}

fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

fn many_from_text<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parse =
        |text: String| text.parse().map_err(|error| D::Error::custom(format_args!("{text:?}: {error}")));
    texts.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Own {
        leases: u32,
    }

    fn read(text: &str) -> Result<(CommonConfig, Own), ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_config(file.path())
    }

    fn place_of(text: &str) -> (usize, usize, String) {
        match read(text) {
            Err(ConfigError::Malformed { line, column, reason, .. }) => (line, column, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn common_and_own_keys_stand_side_by_side() {
        let (common, own) =
            read("name = \"a\"\nleases = 3\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\nmanage = \"open\"").unwrap();
        assert_eq!(common.name.as_deref(), Some("a"));
        assert_eq!(common.listen.len(), 1);
        assert_eq!(common.manage, Some(ManagePolicy::Open));
        assert_eq!(own, Own { leases: 3 });
        assert_eq!(read("").unwrap(), (CommonConfig::default(), Own::default()));
    }

    #[test]
    fn every_common_key_is_known_by_its_flag() {
        for key in CommonConfig::KEYS {
            let (_, _, reason) = place_of(&format!("{key} = 1979-05-27"));
            assert!(!reason.contains("unknown field"), "{key}: {reason}");
        }
    }

    #[test]
    fn mistakes_are_named_with_line_and_column() {
        let (line, _, reason) = place_of("leases = 1\nleasse = 2");
        assert!(line == 2 && reason.contains("leasse"), "{line}: {reason}");
        let (line, column, reason) = place_of("leases = 1\nlisten = [\"there\"]");
        assert!(line == 2 && column >= 1 && reason.contains("there"), "{line}:{column}: {reason}");
        assert_eq!(place_of("leases = \"x\"").0, 1);
        assert_eq!(place_of("name = ").0, 1);
    }

    #[test]
    fn a_program_without_keys_of_its_own_names_the_common_ones() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "rendezvos = []").unwrap();
        let error = read_config::<NoKeys>(file.path()).unwrap_err().to_string();
        assert!(error.contains("rendezvos") && error.contains("`rendezvous`"), "{error}");
    }

    #[test]
    fn a_file_over_the_bound_or_absent_is_refused() {
        let long = format!("# {}", "x".repeat(CONFIG_BYTES_MAX as usize));
        assert!(matches!(read(&long), Err(ConfigError::TooLarge { .. })));
        let absent = read_config::<NoKeys>(Path::new("/nowhere/juxta.toml"));
        assert!(matches!(absent, Err(ConfigError::Unreadable { .. })));
    }
}
