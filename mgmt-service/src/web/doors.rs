//! Who may enter the manager's web face: links that count once, sessions of browsers, a token for programs.
//!
//! In: random bytes, what a request shows. Out: yes or no. Only hashes are kept, compared in constant time. At most
//! `WEB_SESSIONS_MAX` sessions; a further one ends the oldest. Links left unused: one, a newer replaces it.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use blake3::Hash;
use data_encoding::BASE64URL_NOPAD;

use crate::limits::WEB_SESSIONS_MAX;

/// The keys that fit now.
pub struct Doors {
    link: Option<Hash>,
    sessions: VecDeque<Hash>,
    program: Hash,
}

/// A secret that lets somebody in; 256 random bits as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry(String);

impl Entry {
    /// The entry made of these random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(BASE64URL_NOPAD.encode(&random))
    }

    /// The secret itself: characters that URLs, cookies and headers take as they are.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry(…)")
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doors").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}

impl Doors {
    /// Doors that `program` opens, and nobody else yet.
    #[must_use]
    pub fn new(program: &Entry) -> Self {
        Self { link: None, sessions: VecDeque::new(), program: hash(program.secret()) }
    }

    /// From now on `link` opens a session, once; the link before does not any more.
    pub fn offer(&mut self, link: &Entry) {
        self.link = Some(hash(link.secret()));
    }

    /// Exchanges a link for the session `fresh`; false when the link does not count, or not any more.
    pub fn exchange(&mut self, link: &str, fresh: &Entry) -> bool {
        if self.link != Some(hash(link)) {
            return false;
        }
        self.link = None;
        if self.sessions.len() >= WEB_SESSIONS_MAX {
            self.sessions.pop_front();
        }
        self.sessions.push_back(hash(fresh.secret()));
        true
    }

    /// Whether the value of a `Cookie` header holds a session.
    #[must_use]
    pub fn knows_cookie(&self, cookies: &str) -> bool {
        let values = cookies.split(';').filter_map(|cookie| cookie.trim().split_once('='));
        values.filter(|(name, _)| name.starts_with(Self::COOKIE)).any(|(_, value)| {
            let shown = hash(value);
            self.sessions.iter().any(|session| *session == shown)
        })
    }

    /// Whether the value of an `Authorization` header holds the token of programs, as `Bearer` or as the password of
    /// `Basic`.
    #[must_use]
    pub fn knows_program(&self, authorization: &str) -> bool {
        let Some((scheme, shown)) = authorization.split_once(' ') else { return false };
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.program == hash(shown.trim());
        }
        let decoded = data_encoding::BASE64.decode(shown.trim().as_bytes()).unwrap_or_default();
        let text = String::from_utf8(decoded).unwrap_or_default();
        scheme.eq_ignore_ascii_case("basic")
            && text.split_once(':').is_some_and(|(_, password)| self.program == hash(password))
    }

    /// How the name of a cookie that holds a session begins. Its end is the port: cookies know no ports, and two managers
    /// on one machine would end each other's sessions.
    pub const COOKIE: &str = "juxta_mgmt_";
}

fn hash(secret: &str) -> Hash {
    blake3::hash(secret.as_bytes())
}

/// Whether the value of a `Host` header, with or without a port, is `localhost` or a loopback address: what somebody
/// else's web page can't say, even by rebinding its name.
#[must_use]
pub fn is_loopback_name(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a request whose `Host` is `host` was made by a page of the same place, or by no page: what `Origin` and
/// `Sec-Fetch-Site` say of it, where they are there.
#[must_use]
pub fn is_same_origin(host: &str, origin: Option<&str>, fetch_site: Option<&str>) -> bool {
    let from_here = origin.is_none_or(|origin| origin.strip_prefix("http://") == Some(host));
    from_here && fetch_site.is_none_or(|site| matches!(site, "same-origin" | "none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(byte: u8) -> Entry {
        Entry::new([byte; 32])
    }

    #[test]
    fn a_link_counts_once_and_its_session_stays() {
        let mut doors = Doors::new(&entry(0));
        assert!(!doors.exchange("", &entry(9)), "no link was offered");
        doors.offer(&entry(1));
        assert!(!doors.exchange(entry(2).secret(), &entry(9)));
        assert!(doors.exchange(entry(1).secret(), &entry(3)));
        assert!(!doors.exchange(entry(1).secret(), &entry(9)), "used");
        let cookies = format!("other=1; juxta_mgmt_80={}", entry(3).secret());
        assert!(doors.knows_cookie(&cookies) && !doors.knows_cookie("juxta_mgmt_80=x; other"));
        assert!(!doors.knows_cookie(&format!("other={}", entry(3).secret())));
    }

    #[test]
    fn the_oldest_session_ends_when_there_are_too_many() {
        let mut doors = Doors::new(&entry(0));
        for session in 1..=u8::try_from(WEB_SESSIONS_MAX + 1).unwrap() {
            doors.offer(&entry(100));
            assert!(doors.exchange(entry(100).secret(), &entry(session)));
        }
        assert!(!doors.knows_cookie(&format!("juxta_mgmt_80={}", entry(1).secret())));
        assert!(doors.knows_cookie(&format!("juxta_mgmt_80={}", entry(2).secret())));
    }

    #[test]
    fn programs_show_their_token_as_bearer_or_password() {
        let doors = Doors::new(&entry(7));
        let secret = entry(7);
        let basic = data_encoding::BASE64.encode(format!("any:{}", secret.secret()).as_bytes());
        assert!(doors.knows_program(&format!("Bearer {}", secret.secret())));
        assert!(doors.knows_program(&format!("basic {basic}")));
        for wrong in ["", "Bearer", "Bearer x", "Basic !", "Basic eDp5"] {
            assert!(!doors.knows_program(wrong), "{wrong}");
        }
        assert!(!format!("{doors:?} {secret:?}").contains(secret.secret()), "never logged");
    }

    #[test]
    fn only_loopback_names_count() {
        for host in ["localhost", "LocalHost:80", "127.0.0.1:9", "127.8.0.1", "[::1]:80", "[::1]"] {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in
            ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "192.0.2.1:80"]
        {
            assert!(!is_loopback_name(host), "{host}");
        }
    }

    #[test]
    fn pages_of_others_are_not_of_this_place() {
        let host = "127.0.0.1:8080";
        assert!(is_same_origin(host, None, None));
        assert!(is_same_origin(host, Some("http://127.0.0.1:8080"), Some("same-origin")));
        for (origin, site) in [
            (Some("http://evil.example"), None),
            (Some("null"), None),
            (Some("http://127.0.0.1:8081"), None),
            (Some("https://127.0.0.1:8080"), None),
            (None, Some("cross-site")),
            (None, Some("same-site")),
        ] {
            assert!(!is_same_origin(host, origin, site), "{origin:?} {site:?}");
        }
    }
}
