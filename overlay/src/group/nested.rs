//! Groups inside groups (JXTA): a group is advertised in its parent, whose members find it there and join.

use super::{PeerGroup, Published};
use crate::advertisement::{Advertisement, AdvertisementKind, Lifetime, SignedAdvertisement};
use crate::error::PublishError;
use crate::id::{Genesis, Policy};
use crate::wire::WireError;

impl PeerGroup {
    /// Publishes in this group what `child` is made of, so that who finds it here can join it: an open group at once, one
    /// by passphrase with the passphrase, one by invitation with a ticket. Of a closed group the members alone find it.
    /// Its attributes are `name` (the label), `group` (the id) and `policy` (`open`, `passphrase`, `invite`); whoever
    /// publishes it need not be in `child`.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn advertise_group(
        &self,
        child: &Genesis,
        lifetime: Lifetime,
    ) -> Result<Published, PublishError> {
        let body = child.to_bytes().map_err(crate::error::AdvertisementError::from)?;
        let policy = match child.policy() {
            Some(Policy::Open) => "open",
            Some(Policy::Passphrase) => "passphrase",
            Some(Policy::Invite) => "invite",
            None => "unknown",
        };
        let id = child.id().to_string();
        let advertisement = Advertisement::new(AdvertisementKind::PeerGroup)
            .key(id.clone())
            .attribute("group", id)
            .attribute("name", child.label())
            .attribute("policy", policy)
            .body(body);
        self.publish(advertisement, lifetime).await
    }
}

impl Genesis {
    /// The group that was advertised by [`PeerGroup::advertise_group`]. What the attributes say of it is the publisher's
    /// word; the genesis says it itself.
    ///
    /// # Errors
    /// [`WireError`] for an advertisement of something else, or of another group than its key names.
    pub fn from_advertisement(signed: &SignedAdvertisement) -> Result<Self, WireError> {
        let advertisement = signed.advertisement();
        if advertisement.kind != AdvertisementKind::PeerGroup {
            return Err(WireError::Malformed);
        }
        let genesis = Self::from_bytes(&advertisement.body)?;
        if advertisement.key == genesis.id().to_string() { Ok(genesis) } else { Err(WireError::Malformed) }
    }
}
