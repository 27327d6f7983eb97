//! Names of managed objects: `domain:key=value,…` (paper §5.2, JMX `ObjectName`).
//!
//! In: a domain and keys, or text. Out: a name whose keys are in the order of the alphabet, so that equal names are
//! written alike. At most `OBJECT_NAME_BYTES_MAX` bytes and `OBJECT_NAME_KEYS_MAX` keys.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::glob::Token;
use super::syntax::{is_domain, is_key, parse, write_value};
use crate::error::ObjectNameError;
use crate::limits::{OBJECT_NAME_BYTES_MAX, OBJECT_NAME_KEYS_MAX};

/// The name of one managed object; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName(Arc<Parts>);

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Parts {
    domain: Arc<str>,
    /// Sorted by key; values as they mean, not as they are quoted.
    keys: Vec<Pair>,
}

/// A key and its value.
type Pair = (Arc<str>, Arc<str>);

impl ObjectName {
    /// A name from its parts; values may hold any character and are quoted where they need it.
    ///
    /// # Errors
    /// [`ObjectNameError`] for an unfit domain or key, a key that stands twice, no key, or a name above a bound.
    pub fn new<K, V>(domain: &str, keys: impl IntoIterator<Item = (K, V)>) -> Result<Self, ObjectNameError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut keys: Vec<Pair> =
            keys.into_iter().map(|(key, value)| (key.as_ref().into(), value.as_ref().into())).collect();
        keys.sort();
        if !is_domain(domain) {
            return Err(ObjectNameError::Domain { domain: domain.to_owned() });
        }
        if let Some((key, _)) = keys.iter().find(|(key, _)| !is_key(key)) {
            return Err(ObjectNameError::Key { key: key.to_string() });
        }
        if let Some((key, _)) =
            keys.iter().zip(keys.iter().skip(1)).find(|(left, right)| left.0 == right.0).map(|pair| pair.0)
        {
            return Err(ObjectNameError::Key { key: key.to_string() });
        }
        if keys.is_empty() {
            return Err(ObjectNameError::NoKeys);
        }
        if keys.len() > OBJECT_NAME_KEYS_MAX {
            return Err(ObjectNameError::TooManyKeys { max: OBJECT_NAME_KEYS_MAX });
        }
        let name = Self(Arc::new(Parts { domain: domain.into(), keys }));
        if name.to_string().len() > OBJECT_NAME_BYTES_MAX {
            return Err(ObjectNameError::TooLong { max: OBJECT_NAME_BYTES_MAX });
        }
        Ok(name)
    }

    /// What stands before the colon.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.0.domain
    }

    /// The value of `key`, unquoted.
    #[must_use]
    pub fn key(&self, key: &str) -> Option<&str> {
        self.0.keys.iter().find(|(known, _)| &**known == key).map(|(_, value)| &**value)
    }

    /// Every key with its unquoted value, in the order of the alphabet.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.keys.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Domain and keys, to put the same texts in their place; none once others hold the name too.
    pub(super) fn texts_mut(&mut self) -> Option<(&mut Arc<str>, &mut [Pair])> {
        Arc::get_mut(&mut self.0).map(|parts| (&mut parts.domain, parts.keys.as_mut_slice()))
    }

    pub(super) fn shared_domain(&self) -> &Arc<str> {
        &self.0.domain
    }

    pub(super) fn shared_keys(&self) -> &[Pair] {
        &self.0.keys
    }
}

impl FromStr for ObjectName {
    type Err = ObjectNameError;

    fn from_str(text: &str) -> Result<Self, ObjectNameError> {
        let parsed = parse(text)?;
        if let Some(at) = parsed.wildcard_at {
            return Err(ObjectNameError::Malformed { at, reason: "a name has no wildcard" });
        }
        let domain = parsed.domain.as_literal().unwrap_or_default();
        let literal = |(key, value): &(String, super::glob::Glob)| {
            (key.clone(), value.as_literal().unwrap_or_default())
        };
        Self::new(&domain, parsed.keys.iter().map(literal))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.0.domain)?;
        for (index, (key, value)) in self.0.keys.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{key}=")?;
            if value.is_empty() {
                f.write_str("\"\"")?;
            }
            let tokens: Vec<Token> = value.chars().map(Token::Literal).collect();
            write_value(&tokens, f)?;
        }
        Ok(())
    }
}

impl Serialize for ObjectName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(text: &str) -> (usize, &'static str) {
        match text.parse::<ObjectName>() {
            Err(ObjectNameError::Malformed { at, reason }) => (at, reason),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn equal_names_are_written_alike_whatever_the_order_of_their_keys() {
        let name: ObjectName = "p1:dest=p2,corr=00ff".parse().unwrap();
        assert_eq!(name, "p1:corr=00ff,dest=p2".parse().unwrap());
        assert_eq!(name.to_string(), "p1:corr=00ff,dest=p2");
        assert_eq!((name.domain(), name.key("dest"), name.key("none")), ("p1", Some("p2"), None));
    }

    #[test]
    fn values_are_quoted_only_where_they_must_be() {
        let name = ObjectName::new("d", [("a", "x,y=\"*\"\n"), ("b", ""), ("c", "plain text")]).unwrap();
        assert_eq!(name.to_string(), r#"d:a="x,y=\"\*\"\n",b="",c=plain text"#);
        assert_eq!(name.to_string().parse(), Ok(name));
        assert_eq!("d:a=\"b\"".parse::<ObjectName>(), "d:a=b".parse());
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        assert_eq!(place("").0, 1);
        assert_eq!(place("domain").0, 7);
        assert_eq!(place(":a=b"), (1, "the domain is empty"));
        assert_eq!(place("d:"), (3, "a key is expected"));
        assert_eq!(place("d:a").0, 4);
        assert_eq!(place("d:=b"), (3, "the key is empty"));
        assert_eq!(place("d:a=,b=c").0, 5);
        assert_eq!(place("d:a=b,").0, 7);
        assert_eq!(place("d:a=b,a=c"), (7, "the key stands twice"));
        assert_eq!(place("d:a=b=c").0, 6);
        assert_eq!(place("d:a=\"b"), (5, "the quote is never closed"));
        assert_eq!(place("d:a=\"b\"c").0, 8);
        assert_eq!(place(r#"d:a="b\c""#).0, 8);
        assert_eq!(place("d:a=b?"), (6, "a name has no wildcard"));
        assert_eq!(place("d:a=b,*"), (7, "a name has no wildcard"));
        assert_eq!(place("d*:a=b").0, 2);
    }

    #[test]
    fn names_above_a_bound_or_with_unfit_parts_are_refused() {
        let long = "x".repeat(OBJECT_NAME_BYTES_MAX);
        assert_eq!(
            ObjectName::new("d", [("a", &long)]),
            Err(ObjectNameError::TooLong { max: OBJECT_NAME_BYTES_MAX })
        );
        assert!(matches!(format!("d:a={long}").parse::<ObjectName>(), Err(ObjectNameError::TooLong { .. })));
        let keys = (0..=OBJECT_NAME_KEYS_MAX).map(|key| (format!("k{key}"), "v"));
        assert!(matches!(ObjectName::new("d", keys), Err(ObjectNameError::TooManyKeys { .. })));
        assert!(matches!(ObjectName::new("d:e", [("a", "b")]), Err(ObjectNameError::Domain { .. })));
        assert!(matches!(ObjectName::new("d", [("a=", "b")]), Err(ObjectNameError::Key { .. })));
        assert!(matches!(ObjectName::new("d", [("a", "b"), ("a", "c")]), Err(ObjectNameError::Key { .. })));
        assert_eq!(ObjectName::new("d", [("a", "b"); 0]), Err(ObjectNameError::NoKeys));
    }

    proptest! {
        #[test]
        fn every_name_reads_back(domain in "[^:*?\n]{1,12}", a in ".{0,12}", b in "[\"\\\\*?,=:\n]{0,12}") {
            let name = ObjectName::new(&domain, [("b", &b), ("a", &a)]).unwrap();
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }

        #[test]
        fn any_text_is_a_name_or_an_error(text in "[a:=,*?\"\\\\\n]{0,16}") {
            if let Ok(name) = text.parse::<ObjectName>() {
                prop_assert_eq!(name.to_string().parse(), Ok(name));
            }
        }
    }
}
