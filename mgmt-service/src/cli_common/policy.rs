//! Who may manage a peer.

use std::str::FromStr;

use crate::error::PolicyError;

/// Who may read what this peer measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ManagePolicy {
    /// Nobody: nothing is registered and nothing is published.
    #[default]
    Off,
    /// Any peer of the open net group may read; nobody may set or invoke.
    Open,
}

impl FromStr for ManagePolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        match text {
            "off" => Ok(Self::Off),
            "open" => Ok(Self::Open),
            _ => Err(PolicyError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_manages_a_peer_unless_asked_to() {
        assert_eq!(ManagePolicy::default(), ManagePolicy::Off);
        assert_eq!("open".parse(), Ok(ManagePolicy::Open));
        assert_eq!("Open".parse::<ManagePolicy>(), Err(PolicyError));
    }
}
