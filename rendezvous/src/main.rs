//! rendezvous.
fn main() {}
