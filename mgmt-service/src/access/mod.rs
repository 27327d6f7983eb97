//! Who may do what at an agent, under which names they see it, and what is written down of it. Pure, but for the file of the
//! audit log; times come in.

mod attempts;
mod audit;
mod audit_file;
mod denials;
mod role;
mod veil;

pub use attempts::Attempts;
pub use audit::{AuditEntry, AuditEvent, VerifiedAudit, verify_audit};
pub use audit_file::{AuditFile, verify_audit_files};
pub use denials::{Denials, Noted};
pub use role::{Access, ManagementRole, Verb};
pub use veil::{Veil, unknown_peer};
