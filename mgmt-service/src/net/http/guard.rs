//! Who may ask what. Everywhere: `Host` is a loopback name, a page that asks is one of ours, answers carry the policy
//! that lets a page load nothing from elsewhere. Inside: a session cookie or the token of programs. A POST by a session
//! names its page by `Origin`, which browsers always send with one and no page can forge.

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::site::Site;
use crate::web::{is_loopback_name, is_same_origin};

/// For every request: refuses other names and other people's pages, and marks every answer.
pub(super) async fn everywhere(request: Request, next: Next) -> Response {
    let refusal = refusal(request.headers());
    let mut response = match refusal {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in MARKS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// For what is not open to everybody on this machine.
pub(super) async fn only_who_may(State(site): State<Site>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if is_program(&site, headers) {
        return next.run(request).await;
    }
    if has_session(&site, headers) {
        let tells_page = headers.contains_key(header::ORIGIN);
        if !request.method().is_safe() && !tells_page {
            return (StatusCode::FORBIDDEN, "a session's POST needs the Origin of its page\n")
                .into_response();
        }
        return next.run(request).await;
    }
    let how = [(header::WWW_AUTHENTICATE, "Bearer realm=\"juxta mgmt\"")];
    let why = "open the link that mgmt serve printed, or show the token of its token file\n";
    (StatusCode::UNAUTHORIZED, how, why).into_response()
}

/// Whether a request shows a session, or the token of programs.
pub(super) fn is_inside(site: &Site, headers: &HeaderMap) -> bool {
    is_program(site, headers) || has_session(site, headers)
}

fn is_program(site: &Site, headers: &HeaderMap) -> bool {
    text(headers, &header::AUTHORIZATION).is_some_and(|shown| site.doors().knows_program(shown))
}

fn has_session(site: &Site, headers: &HeaderMap) -> bool {
    let doors = site.doors();
    let mut cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.any(|cookies| doors.knows_cookie(cookies))
}

fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let Some(host) = text(headers, &header::HOST).filter(|host| is_loopback_name(host)) else {
        return Some("the Host header must be localhost or a loopback address\n");
    };
    // A header that is no text is nobody's of ours.
    let shown = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = shown(&HeaderName::from_static("sec-fetch-site"));
    // A link in a mail or another page may lead here; it shows the page and reads nothing.
    let is_navigation = shown(&HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
    let (origin, site) = (shown(&header::ORIGIN), site.filter(|_| !is_navigation));
    (!is_same_origin(host, origin, site)).then_some("asked by a page of somebody else\n")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// On every answer. Styles that scripts set one by one are no inline styles to the policy.
const MARKS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];
