//! Whom somebody means who names a peer: by its id, by its pseudonym, by its agent's name.

use overlay::PeerId;

use super::site::Site;
use crate::web::JolokiaError;

/// The id by which the peer can be asked.
///
/// # Errors
/// When no agent has that name, or more than one.
pub(super) fn whom(site: &Site, target: &str) -> Result<PeerId, JolokiaError> {
    let board = site.board();
    let found = match target.parse() {
        Ok(peer) => Some(board.asked_as(peer)),
        Err(_) => board.called(target),
    };
    drop(board);
    found.ok_or_else(|| {
        JolokiaError::unanswered(format_args!("there is no agent {target:?}, or more than one"))
    })
}
