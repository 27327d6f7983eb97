//! How long a store keeps what: flag beats environment beats file beats default.
//!
//! In: what was said. Out: a [`Retention`], or why it makes none.

use std::time::Duration;

use clap::Args;
use mgmt_service::cli_common::{CliError, parse_duration};
use mgmt_service::store::Retention;
use serde::{Deserialize, Deserializer};

/// What the flags and the environment say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub(super) struct RetentionArgs {
    /// How long records are kept whole [default: 1day]; then they count in their minute
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, env = "JUXTA_RETENTION_RAW", hide_env_values = true)]
    retention_raw: Option<Duration>,
    /// How long sums by the minute are kept [default: 7days]; then they count in their hour
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, env = "JUXTA_RETENTION_MINUTES", hide_env_values = true)]
    retention_minutes: Option<Duration>,
    /// How long sums by the hour are kept [default: 400days]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, env = "JUXTA_RETENTION_HOURS", hide_env_values = true)]
    retention_hours: Option<Duration>,
}

/// The keys of `mgmt` in its file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OwnConfig {
    /// `[retention]`
    pub(super) retention: RetentionConfig,
}

/// What the file says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RetentionConfig {
    #[serde(deserialize_with = "duration")]
    raw: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    minutes: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    hours: Option<Duration>,
}

impl RetentionArgs {
    /// These over the file's over the defaults.
    ///
    /// # Errors
    /// Wrong usage when something finer would be kept longer than what it is summed up in: reports would have gaps. A
    /// finer one that was said alone pulls the defaults of the coarser ones along.
    pub(super) fn over(self, file: RetentionConfig) -> Result<Retention, CliError> {
        let default = Retention::default();
        let raw = self.retention_raw.or(file.raw).unwrap_or(default.raw);
        let minutes = self.retention_minutes.or(file.minutes).unwrap_or(default.minutes.max(raw));
        let hours = self.retention_hours.or(file.hours).unwrap_or(default.hours.max(minutes));
        for (finer, finer_name, coarser, coarser_name) in
            [(raw, "raw", minutes, "minutes"), (minutes, "minutes", hours, "hours")]
        {
            if finer > coarser {
                return Err(CliError::usage(format_args!(
                    "retention.{finer_name} is longer than retention.{coarser_name}; name a longer \
                     --retention-{coarser_name}"
                )));
            }
        }
        Ok(Retention { raw, minutes, hours, ..default })
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_was_said_beats_the_file_and_the_file_beats_the_default() {
        let file: OwnConfig = toml::from_str("[retention]\nraw = \"2h\"\nminutes = \"3h\"").unwrap();
        let said = RetentionArgs { retention_raw: Some(HOUR), ..RetentionArgs::default() };
        let kept = said.over(file.retention).unwrap();
        assert_eq!((kept.raw, kept.minutes, kept.hours), (HOUR, HOUR * 3, Retention::default().hours));
        assert_eq!(
            RetentionArgs::default().over(OwnConfig::default().retention).unwrap(),
            Retention::default()
        );
    }

    #[test]
    fn what_is_finer_is_not_kept_longer_than_what_it_is_summed_up_in() {
        let month = RetentionArgs { retention_raw: Some(HOUR * 24 * 30), ..RetentionArgs::default() };
        let kept = month.over(RetentionConfig::default()).unwrap();
        assert_eq!((kept.raw, kept.minutes), (HOUR * 24 * 30, HOUR * 24 * 30), "the default goes along");
        let said = RetentionArgs { retention_minutes: Some(HOUR), ..RetentionArgs::default() };
        let error = said.over(RetentionConfig::default()).unwrap_err().to_string();
        assert!(error.contains("retention.raw is longer than retention.minutes"), "{error}");
        assert!(toml::from_str::<OwnConfig>("[retention]\nrow = \"2h\"").is_err());
        assert!(toml::from_str::<OwnConfig>("[retention]\nraw = \"0s\"").is_err());
    }
}
