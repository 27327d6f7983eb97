//! rendezvous.
