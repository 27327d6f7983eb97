//! Who may be in a closed group: credentials and their chains, revocation lists, passphrases. Pure: no clock,
//! no socket; the caller says what time it is.
//!
//! A member holds a [`Credential`] that goes back to the key in the group's [`Genesis`](crate::Genesis), directly or
//! through one issuer. The connection proves who shows it, so one that was overheard is of no use to another peer.

mod chain;
mod passphrase;
mod revocation;
mod sealed;
mod signed;
mod ticket;

pub use chain::{VerifiedChain, verify_chain};
pub use passphrase::generate_passphrase;
pub use revocation::RevocationList;
pub use signed::{Claim, Credential, Role};
pub use ticket::Ticket;

pub(crate) use passphrase::authority_of;
pub(crate) use ticket::{TicketClaim, TicketProof};

#[cfg(test)]
mod tests;
