//! The configuration of the program `rendezvous`: what its file and environment add to the settings of every program.
//!
//! In: keys of the TOML file, `JUXTA_LIMITS_…` variables. Out: [`Config`], whose limits can be served together.
//! A key or a value that makes no sense is an error that names it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::limits::{BadLimit, Limits};

/// The keys of the file that only this program has, named like its flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where operations are served over HTTP; nowhere when absent.
    pub http: Option<SocketAddr>,
    /// Whether to be no relay for peers that can't be dialed.
    pub no_relay: bool,
    /// The bounds.
    pub limits: Limits,
}

/// Why a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A limit that makes no sense.
    #[error(transparent)]
    Limit(#[from] BadLimit),
    /// Others could reach the address for operations.
    #[error("use http = \"{address}\": only a loopback address such as 127.0.0.1 is allowed")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// An environment variable that can't be read.
    #[error("use the environment variable {name}: {reason}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with its value.
        reason: String,
    },
}

impl Config {
    /// This configuration under the environment: `JUXTA_LIMITS_LEASE_LEASES_MAX` beats `limits.lease.leases-max`.
    ///
    /// `variable` reads one variable of the environment; an empty one counts as absent.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable or the limit.
    pub fn under(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let failed = |name: &str, reason: String| ConfigError::Variable { name: name.to_owned(), reason };
        let mut table = Table::try_from(&self.limits).map_err(|error| failed(PREFIX, error.to_string()))?;
        let mut last = PREFIX.to_owned();
        overlay_variables(&mut table, PREFIX, &mut |name, value| {
            let Some(text) = variable(name).filter(|text| !text.is_empty()) else { return Ok(()) };
            last = name.to_owned();
            *value = match value {
                Value::Integer(_) => {
                    let number: u32 =
                        text.parse().map_err(|_| failed(name, format!("{text:?} is no number")))?;
                    Value::Integer(number.into())
                }
                _ => Value::String(text),
            };
            Ok(())
        })?;
        self.limits =
            table.try_into().map_err(|error: toml::de::Error| failed(&last, error.message().to_owned()))?;
        self.limits.check()?;
        match self.http {
            Some(address) if !address.ip().is_loopback() => Err(ConfigError::NotLoopback { address }),
            _ => Ok(self),
        }
    }
}

type Visit<'a> = dyn FnMut(&str, &mut Value) -> Result<(), ConfigError> + 'a;

/// Shows every leaf of `table` with the name of its variable.
fn overlay_variables(table: &mut Table, prefix: &str, visit: &mut Visit<'_>) -> Result<(), ConfigError> {
    for (key, value) in table.iter_mut() {
        let name = format!("{prefix}_{}", key.to_uppercase().replace('-', "_"));
        match value {
            Value::Table(inner) => overlay_variables(inner, &name, visit)?,
            leaf => visit(&name, leaf)?,
        }
    }
    Ok(())
}

const PREFIX: &str = "JUXTA_LIMITS";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn under(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let file = "http = \"127.0.0.1:9464\"\n[limits.lease]\nleases-max = 7\nttl-min = \"10s\"\n";
        toml::from_str::<Config>(file).unwrap().under(lookup)
    }

    #[test]
    fn environment_beats_file_and_file_beats_default() {
        let limits = under(&[
            ("JUXTA_LIMITS_LEASE_LEASES_MAX", "9"),
            ("JUXTA_LIMITS_INDEX_REMOTE_LIFETIME_MAX", "5m"),
            ("JUXTA_LIMITS_RATE_LOOKUP_BURST", "3"),
        ])
        .unwrap()
        .limits;
        assert_eq!((limits.lease.leases_max, limits.lease.ttl_min), (9, Duration::from_secs(10)));
        assert_eq!(limits.index.remote_lifetime_max, Duration::from_secs(300));
        assert_eq!((limits.rate.lookup.burst, limits.rate.lease), (3, crate::limits::LEASE_QUOTA));
    }

    #[test]
    fn empty_variable_counts_as_absent() {
        assert_eq!(under(&[("JUXTA_LIMITS_LEASE_LEASES_MAX", "")]).unwrap().limits.lease.leases_max, 7);
    }

    #[test]
    fn variable_that_makes_no_sense_is_named() {
        for (name, value) in [
            ("JUXTA_LIMITS_LEASE_LEASES_MAX", "many"),
            ("JUXTA_LIMITS_LEASE_LEASES_MAX", "-1"),
            ("JUXTA_LIMITS_LEASE_GRACE", "soon"),
        ] {
            let message = under(&[(name, value)]).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains(value), "{message}");
        }
    }

    #[test]
    fn limits_that_cannot_be_served_together_are_refused() {
        let refused = under(&[("JUXTA_LIMITS_LEASE_TTL_MAX", "60s")]).unwrap_err();
        assert!(refused.to_string().contains("limits.lease.ttl-default"), "{refused}");
    }

    #[test]
    fn http_address_that_others_could_reach_is_refused() {
        let config = toml::from_str::<Config>("http = \"0.0.0.0:9464\"").unwrap().under(|_| None);
        assert!(config.unwrap_err().to_string().contains("0.0.0.0:9464"));
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = toml::from_str::<Config>("htpp = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(error.contains("htpp"), "{error}");
    }
}
