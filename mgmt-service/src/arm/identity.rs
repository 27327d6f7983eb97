//! Which application it is that is measured, in ARM 4's terms: application, group, instance.
//!
//! In: names that the program gives itself, and the key of this boot. Out: what records of two applications, or of two runs
//! of one, are told apart by. Shown as the object `type=application`, so that records need not repeat it.

use super::correlator::BootKey;
use crate::limits::IDENTITY_BYTES_MAX;

/// Which application it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    name: String,
    group: String,
    instance: String,
}

impl Identity {
    /// Longer names are cut to `IDENTITY_BYTES_MAX`.
    pub(super) fn new(name: &str, group: &str, key: &BootKey) -> Self {
        let instance = format!("{:016x}", key.instance());
        Self { name: cut(name), group: cut(group), instance }
    }

    /// What program it is; empty when it does not say.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which of the places where the program runs it belongs to, as `test`; empty when it does not say.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// 16 hexadecimal digits, new at each start.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }
}

fn cut(name: &str) -> String {
    name.get(..name.floor_char_boundary(IDENTITY_BYTES_MAX)).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_one_run_and_a_long_name_is_cut_between_characters() {
        let identity = |key| Identity::new(&"ä".repeat(200), "test", &BootKey::new([key; 32]));
        assert_eq!((identity(1), identity(1).group()), (identity(1), "test"));
        assert_ne!(identity(1).instance(), identity(2).instance());
        assert_eq!((identity(1).name().len(), identity(1).instance().len()), (IDENTITY_BYTES_MAX, 16));
    }
}
