//! Checks the name by which a request calls the port, and the page that sends it. A page of another site can make a
//! browser send requests here (DNS rebinding, forged requests). But such a page cannot set the header fields that are
//! checked here.

use std::net::{IpAddr, SocketAddr};

use hyper::Method;
use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::request::Parts;

const SITE: &str = "sec-fetch-site";

/// Why a request is not meant for this port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stranger {
    /// There is no Host, there are several, or the Host cannot be read (RFC 9112 §3.2).
    Malformed,
    /// Its Host is another name.
    Another,
}

/// The Host of a request in lower case, if it is a name of the port at `here`. Its names are the address, `localhost`
/// if that is loopback, and `names`. The port in Host does not matter, because a tunnel or a port forward may have
/// another one.
pub(super) fn judge(head: &Parts, here: SocketAddr, names: &[Box<str>]) -> Result<String, Stranger> {
    let host = only(&head.headers, HOST).ok_or(Stranger::Malformed)?.to_ascii_lowercase();
    let target = head.uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
    if target.is_some_and(|target| target != host) {
        return Err(Stranger::Malformed);
    }
    let name = name_of(&host).ok_or(Stranger::Malformed)?;
    let address = name.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let is_ours = match address {
        Some(ip) => ip == here.ip().to_canonical() || names.iter().any(|known| known.parse() == Ok(ip)),
        None => {
            let is_local = name == "localhost" && here.ip().to_canonical().is_loopback();
            is_local || names.iter().any(|known| **known == *name)
        }
    };
    if is_ours { Ok(host) } else { Err(Stranger::Another) }
}

/// Whether the page that sends the request belongs to this port, which is called `host` here: scheme, name and port
/// must be the same.
pub(super) fn is_own_origin(headers: &HeaderMap, host: &str, is_tls: bool) -> bool {
    let (scheme, usual) = if is_tls { ("https", ":443") } else { ("http", ":80") };
    // Browsers leave out the default port (WHATWG HTML, serialisation of an origin).
    let host = host.strip_suffix(usual).unwrap_or(host);
    only(headers, ORIGIN).is_some_and(|origin| origin.eq_ignore_ascii_case(&format!("{scheme}://{host}")))
}

/// Whether a page of another site makes the browser send the request. The browser says so (Fetch Metadata,
/// `Sec-Fetch-Site`; another port of the same machine is `same-site`). Such a page may open a page here, as a link
/// does. It may not load, send or embed anything of this port. Programs send none of these header fields.
pub(super) fn is_of_another_site(head: &Parts) -> bool {
    if !head.headers.contains_key(SITE) {
        return false;
    }
    let said = |name: &'static str| only(&head.headers, HeaderName::from_static(name)).unwrap_or_default();
    // "none": the user has typed the address or used a bookmark.
    if matches!(said(SITE), "same-origin" | "none") {
        return false;
    }
    let leads = said("sec-fetch-mode") == "navigate" && said("sec-fetch-dest") == "document";
    !(leads && matches!(head.method, Method::GET | Method::HEAD))
}

/// The value of a header field that occurs exactly once.
pub(super) fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The name without port, brackets and trailing dot.
fn name_of(host: &str) -> Option<&str> {
    let is_port = |port: &str| port.bytes().all(|octet| octet.is_ascii_digit());
    if let Some(rest) = host.strip_prefix('[') {
        let (name, port) = rest.split_once(']')?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(name);
    }
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_good = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    (is_port(port) && !name.is_empty() && name.bytes().all(is_good)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn head(target: &str, hosts: &[&str]) -> Parts {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn judged(here: &str, host: &str) -> Result<String, Stranger> {
        let names = ["portward.example.net".into(), "192.0.2.9".into()];
        judge(&head("/", &[host]), here.parse().unwrap(), &names)
    }

    #[test]
    fn the_port_has_its_address_localhost_and_the_names_that_are_configured() {
        let loopback = "127.0.0.1:9400";
        for host in [
            "127.0.0.1:9400",
            "127.0.0.1",
            "localhost:9999",
            "LOCALHOST",
            "localhost.",
            "portward.example.net",
            "Portward.Example.Net:443",
            "192.0.2.9",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(judged(loopback, host), Ok(host.to_ascii_lowercase()), "{host}");
        }
        for host in
            ["127.0.0.2:9400", "evil.example", "localhost.evil.example", "[::1]", "0.0.0.0", "2130706433"]
        {
            assert_eq!(judged(loopback, host), Err(Stranger::Another), "{host}");
        }
        for host in ["", ":9400", "a b", "127.0.0.1:94x", "user@127.0.0.1", "[::1", "[::1]x", "a/b"] {
            assert_eq!(judged(loopback, host), Err(Stranger::Malformed), "{host}");
        }
        assert!(judged("[::1]:9400", "[::1]:9400").is_ok());
        assert!(judged("[::ffff:192.0.2.1]:9400", "192.0.2.1:9400").is_ok());
        assert_eq!(judged("192.0.2.1:9400", "localhost:9400"), Err(Stranger::Another));
    }

    #[test]
    fn there_is_one_host_and_it_agrees_with_the_target() {
        let here = "127.0.0.1:9400".parse().unwrap();
        let judged = |target: &str, hosts: &[&str]| judge(&head(target, hosts), here, &[]).is_ok();
        assert!(judged("http://127.0.0.1:9400/v1/status", &["127.0.0.1:9400"]));
        assert!(!judged("http://evil.example/v1/status", &["127.0.0.1:9400"]));
        assert!(!judged("/", &[]));
        assert!(!judged("/", &["127.0.0.1", "127.0.0.1"]));
    }

    #[test]
    fn only_a_page_of_the_port_itself_has_its_origin() {
        let own = |origin: &str, host: &str, is_tls| {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, origin.parse().unwrap());
            is_own_origin(&headers, host, is_tls)
        };
        assert!(own("http://127.0.0.1:9400", "127.0.0.1:9400", false));
        assert!(own("https://portward.example.net", "portward.example.net:443", true));
        for (origin, host, is_tls) in [
            ("https://127.0.0.1:9400", "127.0.0.1:9400", false),
            ("http://127.0.0.1:9400", "127.0.0.1:9400", true),
            ("http://127.0.0.1:3000", "127.0.0.1:9400", false),
            ("http://127.0.0.1", "127.0.0.1:9400", false),
            ("http://localhost:9400", "127.0.0.1:9400", false),
            ("null", "127.0.0.1:9400", false),
            ("http://127.0.0.1:9400.evil.example", "127.0.0.1:9400", false),
            ("http://127.0.0.1:9400/", "127.0.0.1:9400", false),
        ] {
            assert!(!own(origin, host, is_tls), "{origin}");
        }
        assert!(!is_own_origin(&HeaderMap::new(), "127.0.0.1:9400", false));
    }

    #[test]
    fn issue_23_item_3_another_site_leads_here_and_does_no_more() {
        let judged = |method: &str, fields: &[(&str, &str)]| {
            let mut request = Request::builder().method(method);
            for (name, value) in fields {
                request = request.header(format!("sec-fetch-{name}"), *value);
            }
            is_of_another_site(&request.body(()).unwrap().into_parts().0)
        };
        assert!(!judged("POST", &[]), "a program");
        for site in ["same-origin", "none"] {
            assert!(!judged("GET", &[("site", site), ("mode", "navigate"), ("dest", "document")]), "{site}");
            assert!(!judged("POST", &[("site", site), ("mode", "cors"), ("dest", "empty")]), "{site}");
        }
        for site in ["cross-site", "same-site", "", "Same-Origin", "new"] {
            let with = |method, mode, dest| judged(method, &[("site", site), ("mode", mode), ("dest", dest)]);
            assert!(!with("GET", "navigate", "document"), "{site}: a link");
            assert!(with("GET", "navigate", "iframe"), "{site}: a frame");
            assert!(with("GET", "no-cors", "script"), "{site}");
            assert!(with("GET", "no-cors", "image"), "{site}");
            assert!(with("GET", "cors", "empty"), "{site}");
            assert!(with("GET", "websocket", "websocket"), "{site}");
            assert!(with("POST", "navigate", "document"), "{site}: a form");
            assert!(judged("GET", &[("site", site)]), "{site}");
        }
        let twice = [("site", "same-origin"), ("site", "cross-site")];
        assert!(judged("GET", &twice), "the field must occur once");
    }
}
