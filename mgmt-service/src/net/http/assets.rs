//! The files of the dashboard, embedded at build time: it works without any network.
//!
//! Charts are drawn by uPlot 1.6.32 (MIT, its licence beside it), the smallest of the well-kept libraries; the graph by
//! our own SVG.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The page itself. It holds no data, so it holds no name of anybody.
pub(super) const PAGE: &str = include_str!("../../../assets/index.html");

/// What a browser without a session is shown.
pub(super) const LOCKED: &str = include_str!("../../../assets/locked.html");

/// What a browser is shown that has just exchanged its link: it goes on by itself. A redirect would not do, since a link
/// that somebody clicked on another page leaves the new cookie out.
pub(super) const ENTERED: &str = include_str!("../../../assets/entered.html");

/// One file.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => ([(header::CONTENT_TYPE, *kind)], *text).into_response(),
        None => (StatusCode::NOT_FOUND, "not found\n").into_response(),
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const FILES: [(&str, &str, &str); 13] = [
    ("icon.svg", "image/svg+xml", include_str!("../../../assets/icon.svg")),
    ("ask.js", SCRIPT, include_str!("../../../assets/ask.js")),
    ("app.js", SCRIPT, include_str!("../../../assets/app.js")),
    ("dom.js", SCRIPT, include_str!("../../../assets/dom.js")),
    ("graph.js", SCRIPT, include_str!("../../../assets/graph.js")),
    ("charts.js", SCRIPT, include_str!("../../../assets/charts.js")),
    ("tables.js", SCRIPT, include_str!("../../../assets/tables.js")),
    ("objects.js", SCRIPT, include_str!("../../../assets/objects.js")),
    ("watch.js", SCRIPT, include_str!("../../../assets/watch.js")),
    ("style.css", STYLE, include_str!("../../../assets/style.css")),
    ("uplot.js", SCRIPT, include_str!("../../../assets/uplot/uPlot.iife.min.js")),
    ("uplot.css", STYLE, include_str!("../../../assets/uplot/uPlot.min.css")),
    ("uplot-licence.txt", "text/plain; charset=utf-8", include_str!("../../../assets/uplot/LICENSE")),
];
