//! The rules under loss, doubling and disorder.
