//! The core's rules, played through by several cores under a virtual clock, with a wire and a disk that exist in memory.

mod contacts;
mod delivery;
mod presence;
mod world;
