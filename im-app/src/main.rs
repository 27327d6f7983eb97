//! im-app.
fn main() {}
