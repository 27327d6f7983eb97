//! Bounds of what a manager's store believes of what agents say.

/// What an agent says that it counted, at most: the integers that a program with floating-point numbers reads exactly. A
/// larger number counts as this one, so that a sum of a thousand agents' still is a number.
pub const COUNT_MAX: u64 = 1 << 53;
