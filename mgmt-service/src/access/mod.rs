//! Who may do what at an agent, under which names they see it, and what is written down of it. Pure, but for the file of the
//! audit log; times come in.

mod audit;
mod audit_file;
mod denials;
mod role;
mod veil;

pub use audit::{AuditEntry, AuditEvent, verify_audit};
pub use audit_file::AuditFile;
pub use denials::{Denials, Noted};
pub use role::{Access, ManagementRole, Verb};
pub use veil::{Veil, unknown_peer};
