//! The groups of a peer as objects `juxta:type=membership,group=ID`: its role, and what the group's pipes and queries carry.
//!
//! In: looks, once a second. Out: an object for each group that the peer is in, at most `MEMBERSHIP_BEANS_MAX`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use overlay::credential::Role;
use overlay::{GroupId, Peer};

use crate::jmx::{
    AttributeInfo, AttributeValue, BeanInfo, BeanServer, DynamicBean, ObjectName, Registration,
};
use crate::limits::MEMBERSHIP_BEANS_MAX;

/// The groups that are shown.
#[derive(Debug)]
pub(super) struct Memberships {
    peer: Peer,
    beans: BeanServer,
    shown: HashMap<GroupId, Registration>,
}

impl Memberships {
    /// Those that the peer is in now.
    pub(super) fn new(peer: &Peer, beans: &BeanServer) -> Self {
        let mut memberships = Self { peer: peer.clone(), beans: beans.clone(), shown: HashMap::new() };
        memberships.look();
        memberships
    }

    /// Shows the groups that the peer is in, and no others.
    pub(super) fn look(&mut self) {
        let groups: HashSet<GroupId> = self.peer.groups().into_iter().collect();
        self.shown.retain(|shown, _| groups.contains(shown));
        for group in groups {
            if self.shown.len() >= MEMBERSHIP_BEANS_MAX {
                return;
            }
            if !self.shown.contains_key(&group) {
                self.show(group);
            }
        }
    }

    fn show(&mut self, group: GroupId) {
        let name = ObjectName::new(super::DOMAIN, [("type", "membership"), ("group", &group.to_string())]);
        let bean = Arc::new(MembershipBean { peer: self.peer.clone(), group });
        // A registry that is full counts that itself.
        let registered = name.ok().and_then(|name| self.beans.register(name, bean).ok());
        self.shown.extend(registered.map(|registration| (group, registration)));
    }
}

/// The peer's place in one group.
#[derive(Debug)]
struct MembershipBean {
    peer: Peer,
    group: GroupId,
}

impl DynamicBean for MembershipBean {
    fn info(&self) -> BeanInfo {
        let attribute = |name, description: &'static str| AttributeInfo {
            name: Cow::Borrowed(name),
            description: Cow::Borrowed(description),
        };
        let meters = self.peer.group_meters(&self.group).snapshot();
        let counts = meters.into_iter().map(|(name, _)| attribute(name, "count since since_ms"));
        let role = attribute(ROLE, "member, issuer or duty N in a closed group; none in an open one");
        BeanInfo {
            description: Cow::Borrowed("what one group's pipes and queries carry here"),
            attributes: [role].into_iter().chain(counts).collect(),
        }
    }

    fn attribute(&self, name: &str) -> Option<AttributeValue> {
        if name == ROLE {
            return Some(match self.peer.group_role(&self.group) {
                None => "none".into(),
                Some(Role::Issuer) => "issuer".into(),
                Some(Role::Duty(number)) => format!("duty {number}").into(),
                // To this version it is a member.
                Some(_) => "member".into(),
            });
        }
        let meters = self.peer.group_meters(&self.group).snapshot();
        meters.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
    }
}

/// The attribute that is no count.
const ROLE: &str = "role";
