//! The roles of the management group and what each may. What is not named here is denied.
//!
//! In: a role that the overlay has verified. Out: whether it may. A role travels as a duty of the group's credentials (see
//! [`overlay::credential::Role`]); an agent is a plain member, so that what cannot be read gives no right.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use overlay::credential::Role;

use crate::error::RoleError;

/// What a member of the management group is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManagementRole {
    /// Is managed; may ask nothing of others.
    Agent,
    /// Reads and subscribes, with pseudonyms for peers.
    Reader,
    /// Reads with ids, sets and invokes.
    Operator,
    /// Reads and subscribes with ids, for those behind it.
    Aggregator,
    /// Lets others in and renews them, the group's creator among them; may what an operator may.
    Issuer,
}

/// What somebody wants of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Objects and their attributes.
    Get,
    /// Records as they come.
    Subscribe,
    /// The same with the ids of peers.
    SeeIds,
    /// To change an attribute.
    Set,
    /// To have something done.
    Invoke,
}

impl Verb {
    /// The verb as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Subscribe => "subscribe",
            Self::SeeIds => "see-ids",
            Self::Set => "set",
            Self::Invoke => "invoke",
        }
    }
}

impl ManagementRole {
    /// Whether the role may.
    #[must_use]
    pub fn may(self, verb: Verb) -> bool {
        match (self, verb) {
            (Self::Operator | Self::Issuer, _) => true,
            (Self::Aggregator, Verb::Get | Verb::Subscribe | Verb::SeeIds) => true,
            (Self::Reader, Verb::Get | Verb::Subscribe) => true,
            (Self::Agent | Self::Reader | Self::Aggregator, _) => false,
        }
    }

    /// The role as the credentials of the group say it.
    #[must_use]
    pub fn to_overlay(self) -> Role {
        match self {
            Self::Agent => Role::Member,
            Self::Reader => duty(READER),
            Self::Operator => duty(OPERATOR),
            Self::Aggregator => duty(AGGREGATOR),
            Self::Issuer => Role::Issuer,
        }
    }

    /// The role that a credential says; one of a later version gives no right.
    #[must_use]
    pub fn from_overlay(role: Role) -> Self {
        let known = [Self::Reader, Self::Operator, Self::Aggregator, Self::Issuer];
        known.into_iter().find(|known| known.to_overlay() == role).unwrap_or(Self::Agent)
    }

    /// The role as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Aggregator => "aggregator",
            Self::Issuer => "issuer",
        }
    }
}

impl fmt::Display for ManagementRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ManagementRole {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let all = [Self::Agent, Self::Reader, Self::Operator, Self::Aggregator, Self::Issuer];
        all.into_iter().find(|role| role.as_str() == text).ok_or(RoleError)
    }
}

/// As whom an agent sees who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Not in the group that the agent serves.
    Nobody,
    /// Any peer, at an agent that is open: it may read, with ids.
    Anybody,
    /// A member of the management group.
    Member(ManagementRole),
}

impl Access {
    /// Whether they may.
    #[must_use]
    pub fn may(self, verb: Verb) -> bool {
        match self {
            Self::Nobody => false,
            Self::Anybody => matches!(verb, Verb::Get | Verb::Subscribe | Verb::SeeIds),
            Self::Member(role) => role.may(verb),
        }
    }

    /// As the audit log says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Anybody => "anybody",
            Self::Member(role) => role.as_str(),
        }
    }
}

fn duty(number: u8) -> Role {
    NonZeroU8::new(number).map_or(Role::Member, Role::Duty)
}

const READER: u8 = 1;
const OPERATOR: u8 = 2;
const AGGREGATOR: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Verb; 5] = [Verb::Get, Verb::Subscribe, Verb::SeeIds, Verb::Set, Verb::Invoke];

    fn may(access: Access) -> Vec<&'static str> {
        ALL.into_iter().filter(|verb| access.may(*verb)).map(Verb::as_str).collect()
    }

    #[test]
    fn each_role_may_what_is_promised_and_nothing_else() {
        let member = |role: &str| may(Access::Member(role.parse().unwrap()));
        assert_eq!(may(Access::Nobody), [""; 0]);
        assert_eq!(may(Access::Anybody), ["get", "subscribe", "see-ids"]);
        assert_eq!(member("agent"), [""; 0]);
        assert_eq!(member("reader"), ["get", "subscribe"]);
        assert_eq!(member("aggregator"), ["get", "subscribe", "see-ids"]);
        assert_eq!(member("operator").len(), ALL.len());
        assert_eq!(member("issuer").len(), ALL.len());
        assert_eq!("root".parse::<ManagementRole>(), Err(RoleError));
    }

    #[test]
    fn a_role_survives_its_credential_and_an_unknown_one_gives_no_right() {
        for name in ["agent", "reader", "operator", "aggregator", "issuer"] {
            let role: ManagementRole = name.parse().unwrap();
            assert_eq!(ManagementRole::from_overlay(role.to_overlay()), role);
        }
        assert_eq!(ManagementRole::from_overlay(duty(200)), ManagementRole::Agent);
    }
}
