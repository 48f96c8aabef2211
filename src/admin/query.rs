//! The query of a request, after its `?`. Each key occurs at most once, values are percent-decoded, and unknown keys
//! are refused. Otherwise a filter with a misspelt name would show everything.
//!
//! Lists come in pages (contract section 8): at most `limit` entries, and `next`, which the next request repeats as
//! `after`.

use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;

use crate::inspect::sip::unescaped;
use crate::service::Service;
use crate::stats::AtTarget;

/// The number of entries in a page, unless `limit` sets another one.
const PAGE: usize = 100;
/// The greatest number of entries in a page, whatever `limit` is.
pub(crate) const LARGEST_PAGE: usize = 1_000;

/// How many characters of a wrong value are repeated in the message.
const SHOWN: usize = 64;

/// The keys and values of a query.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The query of `uri`, whose keys must be among `known`.
    ///
    /// # Errors
    /// What is wrong with the query, in a sentence.
    pub(super) fn of(uri: &Uri, known: &[&str]) -> Result<Self, String> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let query = uri.query().unwrap_or_default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let [Some(key), Some(value)] = [key, value].map(decoded) else {
                return Err(format!("the query is not UTF-8 after percent-decoding: {part}"));
            };
            if !known.contains(&key.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(format!("there is no parameter `{key}` here; possible: {known}"));
            }
            if pairs.iter().any(|(before, _)| *before == key) {
                return Err(format!("`{key}` stands there twice"));
            }
            pairs.push((key, value));
        }
        Ok(Self(pairs))
    }

    /// The value of a key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A value that `read` parses. `what` describes the value for the message, as in "`client`: "x" is not an IP
    /// address".
    ///
    /// # Errors
    /// `read` cannot parse it.
    pub(super) fn value<T>(
        &self,
        key: &str,
        what: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(text) = self.text(key) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| format!("`{key}`: {:?} is not {what}", cut(text)))
    }

    /// An IP address, in brackets or not.
    ///
    /// # Errors
    /// It is no IP address.
    pub(super) fn address(&self, key: &str) -> Result<Option<IpAddr>, String> {
        let read =
            |text: &str| text.trim_matches(['[', ']']).parse().ok().map(|ip: IpAddr| ip.to_canonical());
        self.value(key, "an IP address", read)
    }

    /// An address of a target: an IP address, with or without a port, in the form of answers and the log.
    ///
    /// # Errors
    /// It is neither.
    pub(super) fn target(&self) -> Result<Option<AtTarget>, String> {
        self.value("target", "an IP address, alone or with a port", |text| text.parse().ok())
    }

    /// A service by its name.
    ///
    /// # Errors
    /// There is no service with this name.
    pub(super) fn service(&self) -> Result<Option<Service>, String> {
        let names: Vec<_> = Service::ALL.iter().map(|service| service.name()).collect();
        let what = format!("a service; possible: {}", names.join(", "));
        self.value("service", &what, |text| Service::ALL.into_iter().find(|one| one.name() == text))
    }

    /// The number of entries that are wanted.
    ///
    /// # Errors
    /// `limit` is no number, or 0.
    pub(super) fn limit(&self) -> Result<usize, String> {
        let read = |text: &str| number(text).filter(|limit: &usize| *limit > 0);
        let limit = self.value("limit", "a number from 1 to 1000", read)?;
        Ok(limit.unwrap_or(PAGE).min(LARGEST_PAGE))
    }

    /// The page of a list whose entries have no name. `next` is the number of the first entry after it.
    ///
    /// # Errors
    /// `limit` or `after` is no number.
    pub(super) fn page<'l, T>(&self, all: &'l [T]) -> Result<(&'l [T], Option<String>), String> {
        let begin = self.after(number::<usize>)?.unwrap_or_default().min(all.len());
        let end = begin.saturating_add(self.limit()?).min(all.len());
        let next = (end < all.len()).then(|| end.to_string());
        Ok((all.get(begin..end).unwrap_or_default(), next))
    }

    /// The beginning of the page: after the entry that an earlier answer named in `next`.
    ///
    /// # Errors
    /// `read` cannot parse it.
    pub(super) fn after<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, String> {
        self.value("after", "what `next` was", read)
    }
}

/// The value of `made_by`: whether the API (`true`) or the rules files have made something.
pub(super) fn made_by(text: &str) -> Option<bool> {
    match text {
        "api" => Some(true),
        "rules" => Some(false),
        _ => None,
    }
}

/// A whole number in decimal digits, without a sign.
pub(super) fn number<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The beginning of a value, for a message about it.
fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// The text with its percent-encoding decoded. `None`: it is not UTF-8.
pub(super) fn decoded(text: &str) -> Option<String> {
    String::from_utf8(unescaped(text.as_bytes()).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<Query, String> {
        let uri: Uri = format!("/v1/x?{text}").parse().unwrap();
        Query::of(&uri, &["limit", "after", "client", "host", "service", "follow"])
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        let all = query("limit=5000&client=%5B2001:db8::1%5D&host=a%2Fb&service=sip&follow=1").unwrap();
        assert_eq!((all.limit(), all.text("host")), (Ok(LARGEST_PAGE), Some("a/b")));
        assert_eq!(all.address("client"), Ok("2001:db8::1".parse().ok()));
        assert_eq!((all.service(), all.text("follow")), (Ok(Some(Service::Sip)), Some("1")));
        assert_eq!(query("client=::ffff:192.0.2.1").unwrap().address("client"), Ok("192.0.2.1".parse().ok()));
        let none = query("").unwrap();
        assert_eq!((none.limit(), none.service()), (Ok(PAGE), Ok(None)));
    }

    #[test]
    fn a_list_without_names_comes_in_pages() {
        let all = [1, 2, 3];
        let page = |text: &str| query(text).unwrap().page(&all).map(|(page, next)| (page.to_vec(), next));
        assert_eq!(page(""), Ok((vec![1, 2, 3], None)));
        assert_eq!(page("limit=2"), Ok((vec![1, 2], Some("2".to_owned()))));
        assert_eq!(page("limit=2&after=2"), Ok((vec![3], None)));
        assert_eq!(page(&format!("after={}", usize::MAX)), Ok((vec![], None)));
        assert_eq!(page("after=x"), Err("`after`: \"x\" is not what `next` was".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            (
                "hosts=a",
                "there is no parameter `hosts` here; possible: limit, after, client, host, service, follow",
            ),
            ("host=a&host=b", "`host` stands there twice"),
            ("host=%ff", "the query is not UTF-8 after percent-decoding: host=%ff"),
        ] {
            assert_eq!(query(text).err().as_deref(), Some(why));
        }
        assert_eq!(
            query("limit=0").unwrap().limit().err().as_deref(),
            Some("`limit`: \"0\" is not a number from 1 to 1000")
        );
        assert_eq!(
            query("client=x").unwrap().address("client").err().as_deref(),
            Some("`client`: \"x\" is not an IP address")
        );
        assert!(query("limit=%2B5").unwrap().limit().is_err(), "a number has no sign");
        assert!(query("service=smtp").unwrap().service().unwrap_err().contains("http, sip"));
    }
}
