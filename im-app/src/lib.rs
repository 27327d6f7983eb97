//! im-app.
