//! Every decoder of this crate. A new one is one line here, with its function and its samples beside the others.

use super::{Decoder, messages, signed, texts};

/// The decoders.
pub const DECODERS: &[Decoder] = &[
    Decoder::new("overlay.frames", messages::frames, messages::frames_samples),
    Decoder::new("overlay.session", messages::session, messages::session_samples),
    Decoder::new("overlay.pipe-header", messages::pipe_header, messages::pipe_header_samples),
    Decoder::new("overlay.pipe-acceptance", messages::acceptance, messages::acceptance_samples),
    Decoder::new("overlay.discovery", messages::discovery, messages::discovery_samples),
    Decoder::new("overlay.publish-answer", messages::publish_answer, messages::publish_answer_samples),
    Decoder::new("overlay.find-answer", messages::find_answer, messages::find_answer_samples),
    Decoder::new("overlay.notification", messages::notification, messages::notification_samples),
    Decoder::new("overlay.cache-records", messages::cache_records, messages::cache_records_samples),
    Decoder::new("overlay.rendezvous", messages::rendezvous, messages::rendezvous_samples),
    Decoder::new("overlay.lease-grant", messages::lease_grant, messages::lease_grant_samples),
    Decoder::new("overlay.membership", signed::membership, signed::membership_samples),
    Decoder::new("overlay.papers", signed::papers, signed::papers_samples),
    Decoder::new("overlay.credential", signed::credential, signed::credential_samples),
    Decoder::new("overlay.credential-signed", signed::credential_signed, signed::credential_signed_samples),
    Decoder::new("overlay.revocations", signed::revocations, signed::revocations_samples),
    Decoder::new(
        "overlay.revocations-signed",
        signed::revocations_signed,
        signed::revocations_signed_samples,
    ),
    Decoder::new("overlay.saved-membership", signed::saved, signed::saved_samples),
    Decoder::new("overlay.advertisement", signed::advertisement, signed::advertisement_samples),
    Decoder::new("overlay.advertisement-signed", signed::content, signed::content_samples),
    Decoder::new("overlay.peer-addresses", signed::addresses, signed::addresses_samples),
    Decoder::new("overlay.genesis", texts::genesis, texts::genesis_samples),
    Decoder::new("overlay.ticket", texts::ticket, texts::ticket_samples),
    Decoder::new("overlay.ticket-checked", texts::ticket_checked, texts::ticket_checked_samples),
    Decoder::new("overlay.query", texts::query, texts::query_samples),
    Decoder::new("overlay.ids", texts::ids, texts::ids_samples),
];
