//! Patterns of object names: `*` and `?` in domain and values, `*` in the list for further keys (JMX `queryNames`).
//!
//! In: text and names. Out: whether a name matches. A pattern without a wildcard matches one name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::glob::Glob;
use super::object_name::ObjectName;
use super::syntax::{parse, write_value};
use crate::error::ObjectNameError;

/// What names a question is about, as in `*:dest=*,*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectNamePattern {
    domain: Glob,
    /// Sorted by key.
    keys: Vec<(String, Glob)>,
    /// Whether a matching name may have further keys.
    open: bool,
}

impl ObjectNamePattern {
    /// `*:*`, which every name matches.
    #[must_use]
    pub fn everything() -> Self {
        Self { domain: Glob::new(vec![super::glob::Token::Any]), keys: Vec::new(), open: true }
    }

    /// Whether `name` matches. Cost: the length of the name times that of the longest glob.
    #[must_use]
    pub fn matches(&self, name: &ObjectName) -> bool {
        (self.open || self.keys.len() == name.keys().len())
            && self.keys.iter().all(|(key, glob)| name.key(key).is_some_and(|value| glob.matches(value)))
            && self.domain.matches(name.domain())
    }

    /// Whether it has no wildcard, so that one name alone matches.
    #[must_use]
    pub fn is_one_name(&self) -> bool {
        !self.open && self.literal_domain().is_some() && self.keys().all(|(_, value)| value.is_some())
    }

    /// The domain, where only one matches.
    pub(super) fn literal_domain(&self) -> Option<String> {
        self.domain.as_literal()
    }

    /// Every key with the value it must have, `None` where several match.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, Option<String>)> {
        self.keys.iter().map(|(key, glob)| (key.as_str(), glob.as_literal()))
    }

    /// Whether every name matches.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.open && self.keys.is_empty() && self.domain.is_everything()
    }
}

impl From<&ObjectName> for ObjectNamePattern {
    fn from(name: &ObjectName) -> Self {
        Self {
            domain: Glob::literal(name.domain()),
            keys: name.keys().map(|(key, value)| (key.to_owned(), Glob::literal(value))).collect(),
            open: false,
        }
    }
}

impl FromStr for ObjectNamePattern {
    type Err = ObjectNameError;

    fn from_str(text: &str) -> Result<Self, ObjectNameError> {
        let parsed = parse(text)?;
        Ok(Self { domain: parsed.domain, keys: parsed.keys, open: parsed.open })
    }
}

impl fmt::Display for ObjectNamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in self.domain.tokens() {
            write!(f, "{}", token.as_char())?;
        }
        f.write_str(":")?;
        for (index, (key, value)) in self.keys.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{key}=")?;
            if value.tokens().is_empty() {
                f.write_str("\"\"")?;
            }
            write_value(value.tokens(), f)?;
        }
        match (self.open, self.keys.is_empty()) {
            (true, true) => f.write_str("*"),
            (true, false) => f.write_str(",*"),
            (false, _) => Ok(()),
        }
    }
}

impl Serialize for ObjectNamePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectNamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<ObjectNamePattern>().unwrap().matches(&name.parse().unwrap())
    }

    #[test]
    fn patterns_match_as_in_jmx() {
        let name = "p1:dest=p2,corr=00ff";
        for pattern in [
            "*:*",
            "p1:*",
            "p?:dest=p2,*",
            "*:dest=*,*",
            "*:corr=*,dest=p?",
            "p1:corr=00ff,dest=p2",
            "*:corr=00*,*",
        ] {
            assert!(matches(pattern, name), "{pattern}");
        }
        for pattern in ["p1:dest=p2", "p2:*", "*:dest=?,*", "*:type=*,*", "*:dest=*,corr=*,more=*", "P1:*"] {
            assert!(!matches(pattern, name), "{pattern}");
        }
        assert!(matches(r#"d:a="x,\*?""#, r#"d:a="x,\*y""#) && !matches(r#"d:a="x,\*?""#, "d:a=\"x,zy\""));
    }

    #[test]
    fn patterns_read_back_as_written() {
        for text in ["*:*", "p1:dest=*,*", "d:a=\"x,\\*?\",b=\"\"", "d?:a=b"] {
            let pattern: ObjectNamePattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), text);
        }
        let name: ObjectName = "p1:dest=p2,corr=\"\\*\"".parse().unwrap();
        let pattern = ObjectNamePattern::from(&name);
        assert!(pattern.matches(&name) && pattern.to_string() == name.to_string());
        assert_eq!(ObjectNamePattern::everything().to_string(), "*:*");
    }

    #[test]
    fn a_second_star_in_the_list_is_refused_at_its_place() {
        let error = "d:*,a=b,*".parse::<ObjectNamePattern>().unwrap_err();
        assert!(matches!(error, ObjectNameError::Malformed { at: 9, .. }));
    }
}
