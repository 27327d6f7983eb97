//! What a manager's store says in short: service levels, who is distant or slow and since when, peaks and their causes,
//! accounting (paper §1.2, §2.3, figure 3 read by the machine).

mod accounting;
mod distant;
mod group_accounts;
mod levels;
mod whole;

pub use distant::{Distant, Subject, distant};
pub use group_accounts::GroupAccounts;
pub use levels::{Account, ServiceLevel, accounts, by_link, by_peer, whole_group};
pub use whole::Report;

#[cfg(test)]
mod tests;
