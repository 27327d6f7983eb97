//! The pages of one answer about objects, as they come.
//!
//! In: page after page of an agent that may be hostile. Out: the objects, or why it is no answer. Pure. At most
//! `BEANS_MAX` objects, `GET_BYTES_MAX` bytes and `GET_PAGES_MAX` pages; or only the first objects, when no more are wanted.

use crate::error::GetError;
use crate::jmx::ObjectNamePattern;
use crate::limits::{BEANS_MAX, GET_BYTES_MAX, GET_PAGE_BEANS_MAX, GET_PAGES_MAX};
use crate::protocol::{BeanSnapshot, GetAnswer};

/// What has come of one answer.
#[derive(Debug)]
pub(super) struct Pages {
    /// How many objects are enough.
    wanted: usize,
    beans: Vec<BeanSnapshot>,
    bytes: usize,
    pages: usize,
    /// Where the next page begins.
    after: u64,
}

impl Pages {
    /// Nothing yet, of which the first `wanted` objects are enough.
    pub(super) fn first(wanted: usize) -> Self {
        Self { wanted, beans: Vec::new(), bytes: 0, pages: 0, after: 0 }
    }

    /// How many objects the next page may have.
    pub(super) fn limit(&self) -> usize {
        self.wanted.saturating_sub(self.beans.len()).min(GET_PAGE_BEANS_MAX)
    }

    /// Takes the next page, whose objects must match `pattern`; whether another follows and is wanted.
    pub(super) fn take(&mut self, pattern: &ObjectNamePattern, answer: &[u8]) -> Result<bool, GetError> {
        let page = GetAnswer::decode(answer)?;
        (self.bytes, self.pages) = (self.bytes + answer.len(), self.pages + 1);
        if self.bytes > GET_BYTES_MAX {
            return Err(GetError::TooLong { max: GET_BYTES_MAX });
        }
        if self.beans.len() + page.beans.len() > BEANS_MAX {
            return Err(GetError::TooMany { max: BEANS_MAX });
        }
        if page.more && (page.next <= self.after || self.pages >= GET_PAGES_MAX) {
            return Err(GetError::Endless { pages: self.pages });
        }
        if let Some(stranger) = page.beans.iter().find(|bean| !pattern.matches(&bean.name)) {
            return Err(GetError::Unasked { object: stranger.name.to_string() });
        }
        self.beans.extend(page.beans.into_iter().take(self.limit()));
        self.after = page.next;
        Ok(page.more && self.beans.len() < self.wanted)
    }

    /// Where the next page begins.
    pub(super) fn after(&self) -> u64 {
        self.after
    }

    /// What has come.
    pub(super) fn into_beans(self) -> Vec<BeanSnapshot> {
        self.beans
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jmx::AttributeValue;

    fn page(name: &str, text: usize, next: u64) -> Vec<u8> {
        let attributes = vec![("text".to_owned(), AttributeValue::from("x".repeat(text).as_str()))];
        let beans = vec![BeanSnapshot { name: name.parse().unwrap(), attributes, truncated: false }];
        GetAnswer { beans, next, more: true }.encode().unwrap()
    }

    /// What a get ends with, to which an agent sends such pages without end.
    fn ended(page: impl Fn(u64) -> Vec<u8>) -> GetError {
        let (pattern, mut pages) = ("juxta:type=link,*".parse().unwrap(), Pages::first(usize::MAX));
        (1..).find_map(|number| pages.take(&pattern, &page(number)).err()).unwrap()
    }

    #[test]
    fn pages_without_end_end_by_their_number() {
        let empty = |next| GetAnswer { beans: Vec::new(), next, more: true }.encode().unwrap();
        assert!(matches!(ended(empty), GetError::Endless { pages: GET_PAGES_MAX }));
        assert!(matches!(ended(|_| empty(1)), GetError::Endless { pages: 2 }));
    }

    #[test]
    fn large_objects_end_by_their_bytes() {
        let large = |next| page("juxta:type=link,peer=p", 59 * 1024, next);
        assert!(matches!(ended(large), GetError::TooLong { max: GET_BYTES_MAX }));
    }

    #[test]
    fn who_wants_the_first_objects_takes_no_more() {
        let pattern = "juxta:type=link,*".parse().unwrap();
        let bean = |n: u64| BeanSnapshot {
            name: format!("juxta:type=link,peer=p{n}").parse().unwrap(),
            attributes: Vec::new(),
            truncated: false,
        };
        let full = |next: u64| {
            let beans = (next * 300..(next + 1) * 300).map(bean).collect();
            GetAnswer { beans, next, more: true }.encode().unwrap()
        };
        let mut pages = Pages::first(400);
        assert_eq!((pages.limit(), pages.take(&pattern, &full(1)).unwrap(), pages.limit()), (400, true, 100));
        assert!(!pages.take(&pattern, &full(2)).unwrap(), "another page follows, and is not wanted");
        assert_eq!(pages.into_beans().len(), 400);
    }

    #[test]
    fn an_object_that_was_not_asked_for_is_no_answer() {
        let stranger = |next| page("juxta:type=overlay", 1, next);
        assert!(matches!(ended(stranger), GetError::Unasked { object } if object == "juxta:type=overlay"));
    }
}
