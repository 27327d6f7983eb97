//! Who may manage a peer: nobody, anybody who only reads, or the members of a management group.

use std::str::FromStr;

use overlay::credential::Ticket;

use crate::error::PolicyError;

/// Who may manage this peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ManagePolicy {
    /// Nobody: nothing is registered and nothing is published.
    #[default]
    Off,
    /// Any peer of the open net group may read; nobody may set or invoke.
    Open,
    /// The members of the group that this ticket leads into, each as its role allows. The ticket is used at the first start.
    Ticket(Box<str>),
}

impl FromStr for ManagePolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        match text {
            "off" => Ok(Self::Off),
            "open" => Ok(Self::Open),
            ticket => match ticket.parse::<Ticket>() {
                Ok(_) => Ok(Self::Ticket(ticket.into())),
                Err(_) => Err(PolicyError),
            },
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
