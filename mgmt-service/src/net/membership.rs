//! This peer's place in the management group: created, entered by ticket, kept in the data directory, come back into.
//!
//! In: a peer, its data directory, a ticket. Out: the group, and the key of its pseudonyms. A task keeps the place on disk
//! after each renewal and gives the key to members that may have it. The file holds that key, so it is its owner's alone; the
//! credentials in it are of no use without this peer's key.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use overlay::credential::Ticket;
use overlay::wire::{Ext, decode_message, encode_message};
use overlay::{
    CredentialError, GroupPolicy, JoinError, Peer, PeerGroup, PeerId, Queries, Query, RefuseReason,
};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::access::{Access, ManagementRole, Veil};
use crate::error::MembershipError;
use crate::limits::{MEMBERSHIP_FILE_BYTES_MAX, MEMBERSHIP_KEEP_PERIOD, TICKET_LIFE, VEIL_KEY_TIMEOUT};
use crate::protocol::KEY_HANDLER;

/// A place in the management group; clones share it. It is kept, and the key given out, as long as one lives.
#[derive(Debug, Clone)]
pub struct ManagementGroup {
    place: Arc<Place>,
    _keeping: Arc<Keeping>,
}

#[derive(Debug)]
struct Place {
    group: PeerGroup,
    path: PathBuf,
    /// Whom to ask for the key.
    issuers: Vec<PeerId>,
    key: OnceLock<[u8; 32]>,
    /// One at a time writes the file, and what it writes is the newest.
    writing: Mutex<()>,
    keys_given: AtomicU64,
}

#[derive(Debug)]
struct Keeping(JoinHandle<()>);

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ManagementGroup {
    /// Creates a management group and keeps it in `dir`; this peer is its first issuer. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`MembershipError::Exists`] when `dir` holds one, and what the overlay and the disk say.
    pub async fn create(peer: &Peer, dir: &Path) -> Result<Self, MembershipError> {
        let path = dir.join(FILE);
        if path.exists() {
            return Err(MembershipError::Exists { path });
        }
        let group = peer.create_group(LABEL, GroupPolicy::Invite).await?;
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| MembershipError::Random(error.to_string()))?;
        Self::start(peer, Place::new(group, path, Vec::new(), Some(key)))
    }

    /// Whether `dir` holds the place of a group's creator: others come to it for tickets and renewals. False too for what
    /// can't be read; [`restore`](Self::restore) says why.
    #[must_use]
    pub fn is_created_in(dir: &Path) -> bool {
        // Who entered by a ticket keeps whom it named.
        read(&dir.join(FILE)).is_ok_and(|kept| kept.is_some_and(|kept| kept.issuers.is_empty()))
    }

    /// Enters a group by a ticket, and keeps the place in `dir` instead of one that is kept there. Waits for the issuers that
    /// the ticket names, one after the other.
    ///
    /// # Errors
    /// [`MembershipError::Join`] says whether it was refused or nobody answered.
    pub async fn join(peer: &Peer, dir: &Path, ticket: &str) -> Result<Self, MembershipError> {
        let read: Ticket = ticket.parse().map_err(JoinError::from)?;
        let group = peer.join_ticket(ticket).await?;
        let place = Place::new(group, dir.join(FILE), read.issuers().collect(), None);
        place.ask_key(peer).await;
        Self::start(peer, place)
    }

    /// Comes back into the group that is kept in `dir`, if there is one. Asks nobody.
    ///
    /// # Errors
    /// [`MembershipError::Join`] when the credential that was kept has ended: a new ticket is needed.
    pub fn restore(peer: &Peer, dir: &Path) -> Result<Option<Self>, MembershipError> {
        let path = dir.join(FILE);
        let Some(kept) = read(&path)? else { return Ok(None) };
        let group = peer.restore_group(&kept.saved)?;
        let place = Place::new(group, path, kept.issuers, kept.key);
        Self::start(peer, place).map(Some)
    }

    /// Comes back into the group of `ticket`, or enters it: a ticket is used once and may be named again and again.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub async fn enter(peer: &Peer, dir: &Path, ticket: &str) -> Result<Self, MembershipError> {
        let wanted: Ticket = ticket.parse().map_err(JoinError::from)?;
        match Self::restore(peer, dir) {
            Ok(Some(kept)) if kept.group().id() == wanted.genesis().id() => return Ok(kept),
            Ok(Some(other)) => other.group().clone().resign(),
            Ok(None) => {}
            Err(error) => tracing::warn!(reason = %error, "kept management membership not used"),
        }
        Self::join(peer, dir, ticket).await
    }

    fn start(peer: &Peer, place: Place) -> Result<Self, MembershipError> {
        let place = Arc::new(place);
        let kept = place.save(&[])?;
        let asked = peer.register_handler(KEY_HANDLER)?;
        let keeping = tokio::spawn(keep(peer.clone(), place.clone(), asked, kept));
        Ok(Self { place, _keeping: Arc::new(Keeping(keeping)) })
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &PeerGroup {
        &self.place.group
    }

    /// What this peer is in it; `None` when it is no member any more.
    #[must_use]
    pub fn role(&self) -> Option<ManagementRole> {
        self.place.group.role().map(ManagementRole::from_overlay)
    }

    /// As whom this peer sees another one: by the role that it has proven and that is not revoked.
    #[must_use]
    pub fn access_of(&self, peer: &PeerId) -> Access {
        let role = self.place.group.role_of(peer).map(ManagementRole::from_overlay);
        role.map_or(Access::Nobody, Access::Member)
    }

    /// The pseudonyms of the group; none for a reader, and until an issuer has given their key.
    #[must_use]
    pub fn veil(&self) -> Option<Veil> {
        self.place.key.get().copied().map(Veil::new)
    }

    /// Whether the pseudonyms' key is missing and no issuer has given it yet.
    pub(super) fn wants_key(&self) -> bool {
        self.place.wants_key()
    }

    /// A ticket for one peer, good for a day; this peer must be reachable when it is used.
    ///
    /// # Errors
    /// [`MembershipError::Credential`] for who is no issuer.
    pub fn invite(&self, role: ManagementRole) -> Result<String, MembershipError> {
        let ticket = self.place.group.invite(role.to_overlay(), TICKET_LIFE)?;
        Ok(ticket.to_string())
    }

    /// Who has used a ticket of [`invite`](Self::invite) at this peer; `None` as long as nobody has.
    #[must_use]
    pub fn used_by(&self, ticket: &str) -> Option<PeerId> {
        self.place.group.used_by(&ticket.parse().ok()?)
    }

    /// Ends the membership of a peer; agents that this peer or a rendezvous reaches know at once. Kept before it returns.
    ///
    /// # Errors
    /// [`MembershipError::Credential`] for others than the group's creator.
    pub fn revoke(&self, peer: PeerId) -> Result<(), MembershipError> {
        self.place.group.revoke(peer)?;
        self.place.save(&[]).map(drop)
    }

    /// Whether this peer itself has let `peer` in, by a ticket that is not over yet, or has seen its papers.
    #[must_use]
    pub fn has_let_in(&self, peer: &PeerId) -> bool {
        self.place.group.has_let_in(peer) || self.place.group.role_of(peer).is_some()
    }

    /// Keeps the place now: it has changed when a ticket was answered.
    ///
    /// # Errors
    /// What the disk says.
    pub fn save(&self) -> Result<(), MembershipError> {
        self.place.save(&[]).map(drop)
    }

    /// How many members have been given the key of the pseudonyms since the start.
    #[must_use]
    pub fn keys_given(&self) -> u64 {
        self.place.keys_given.load(Ordering::Relaxed)
    }
}

impl Place {
    fn new(group: PeerGroup, path: PathBuf, issuers: Vec<PeerId>, key: Option<[u8; 32]>) -> Self {
        let known = OnceLock::new();
        if let Some(key) = key {
            known.get_or_init(|| key);
        }
        Self { group, path, issuers, key: known, writing: Mutex::new(()), keys_given: AtomicU64::new(0) }
    }

    /// Writes the file when it would not be `kept`; what it holds then.
    fn save(&self, kept: &[u8]) -> Result<Vec<u8>, MembershipError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = Bytes::from(self.group.save()?);
        let issuers: Vec<Bytes> = self.issuers.iter().map(|peer| peer.to_bytes().into()).collect();
        let file = (self.key.get(), saved, issuers, Ext::new());
        let bytes =
            encode_message(VERSION, &file, MEMBERSHIP_FILE_BYTES_MAX).map_err(CredentialError::from)?;
        if bytes != kept {
            let failed = |source| MembershipError::File { path: self.path.clone(), source };
            write_private(&self.path, &bytes).map_err(failed)?;
        }
        Ok(bytes)
    }

    fn wants_key(&self) -> bool {
        let role = self.group.role().map(ManagementRole::from_overlay);
        self.key.get().is_none() && role.is_some_and(|role| role != ManagementRole::Reader)
    }

    /// Asks the issuers for the key, until one gives it.
    async fn ask_key(&self, peer: &Peer) {
        let group = self.group.id();
        for issuer in self.issuers.iter().filter(|_| self.wants_key()) {
            match peer.query(*issuer, &group, KEY_HANDLER, Bytes::new(), VEIL_KEY_TIMEOUT).await {
                Ok(answer) => match decode_message(VERSION, &answer, KEY_BYTES_MAX) {
                    Ok((key, _ext)) => {
                        let _: Ext = _ext;
                        self.key.get_or_init(|| key);
                    }
                    Err(error) => tracing::debug!(%issuer, reason = %error, "no key in the issuer's answer"),
                },
                Err(error) => tracing::debug!(%issuer, reason = %error, "issuer gives no key"),
            }
        }
    }

    /// Gives the key to a member; readers have no use for it but to see through what is hidden from them.
    fn give_key(&self, query: Query) {
        let role = self.group.role_of(&query.from).map(ManagementRole::from_overlay);
        let entitled = role.is_some_and(|role| role != ManagementRole::Reader);
        match self.key.get().filter(|_| entitled && query.group == self.group.id()) {
            Some(key) => match encode_message(VERSION, &(key, Ext::new()), KEY_BYTES_MAX) {
                Ok(answer) => {
                    self.keys_given.fetch_add(1, Ordering::Relaxed);
                    query.reply(answer);
                }
                Err(_) => query.refuse(RefuseReason::Full),
            },
            None => query.refuse(RefuseReason::Policy),
        }
    }
}

/// Keeps the place on disk and gives out the key, until it is aborted.
async fn keep(peer: Peer, place: Arc<Place>, mut asked: Queries, mut kept: Vec<u8>) {
    let mut ticks = interval(MEMBERSHIP_KEEP_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            query = asked.recv() => match query {
                Some(query) => place.give_key(query),
                None => return,
            },
            _ = ticks.tick() => {
                if place.wants_key() {
                    place.ask_key(&peer).await;
                }
                match place.save(&kept) {
                    Ok(now) => kept = now,
                    Err(error) => tracing::warn!(reason = %error, "management membership not kept"),
                }
            }
        }
    }
}

struct Kept {
    key: Option<[u8; 32]>,
    saved: Bytes,
    issuers: Vec<PeerId>,
}

fn read(path: &Path) -> Result<Option<Kept>, MembershipError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(MembershipError::File { path: path.to_owned(), source }),
    };
    type File = (Option<[u8; 32]>, Bytes, Vec<Bytes>, Ext);
    let (key, saved, issuers, _ext): File = decode_message(VERSION, &bytes, MEMBERSHIP_FILE_BYTES_MAX * 2)
        .map_err(|source| MembershipError::Damaged { path: path.to_owned(), source })?;
    let issuers = issuers.iter().filter_map(|bytes| PeerId::from_bytes(bytes).ok()).collect();
    Ok(Some(Kept { key, saved, issuers }))
}

/// Puts the whole file in place or nothing, for its owner alone.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let whole = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&whole)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&whole, path)
}

const FILE: &str = "management-group";
const LABEL: &str = "juxta management";
const VERSION: u8 = 1;
/// Bytes of a key with its frame.
const KEY_BYTES_MAX: usize = 64;
