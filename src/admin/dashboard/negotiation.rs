//! Reads the encodings that a browser accepts, and the copy that it has. Pure.

use hyper::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, IF_NONE_MATCH};

/// The elements of a list, which may be spread over several field lines (RFC 9110 section 5.6.1).
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

/// Whether the client accepts gzip, and prefers the plain file no more than gzip (RFC 9110 section 12.5.3). A client
/// without Accept-Encoding gets the plain file.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut other) = (None, None, None);
    for element in elements(headers, ACCEPT_ENCODING) {
        let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
        let said = match coding.trim().to_ascii_lowercase().as_str() {
            // The two are the same (RFC 9110 section 8.4.1.3).
            "gzip" | "x-gzip" => &mut gzip,
            "identity" => &mut identity,
            "*" => &mut other,
            _ => continue,
        };
        // If a coding is named twice, the first one counts.
        said.get_or_insert_with(|| weight(parameters));
    }
    let gzip = gzip.or(other).unwrap_or(0);
    // A coding that is not named is the last resort.
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A weight in thousandths (RFC 9110 section 12.4.2). An unreadable weight counts as 0, because the plain file suits
/// every client.
fn weight(parameters: &str) -> u16 {
    let mut weight = 1000;
    for parameter in parameters.split(';').map(str::trim).filter(|parameter| !parameter.is_empty()) {
        let Some((name, value)) = parameter.split_once('=') else { return 0 };
        if name.trim_end().eq_ignore_ascii_case("q") {
            let Some(read) = thousandths(value.trim_start()) else { return 0 };
            weight = read;
        }
    }
    weight
}

/// `0.5` is 500. There are at most three digits after the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let is_good = rest.len() <= 3 && rest.bytes().all(|octet| octet.is_ascii_digit());
    let rest: u16 = if is_good { format!("{rest:0<3}").parse().ok()? } else { return None };
    match whole {
        "0" => Some(rest),
        "1" if rest == 0 => Some(1000),
        _ => None,
    }
}

/// Whether the client already has the representation with this validator (RFC 9110 section 13.1.2). The comparison is
/// weak, as that section demands: `W/` is ignored.
pub(super) fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    elements(headers, IF_NONE_MATCH)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn issue_23_item_2_gzip_is_for_those_who_take_it() {
        let takes = |lines: &[&str]| takes_gzip(&headers(ACCEPT_ENCODING, lines));
        for lines in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["br", "GZip"],
            &["x-gzip"],
            &["*"],
            &["br;q=1.0, *;q=0.5"],
            &["gzip;q=0.001"],
            &["gzip ; q=1.000 , identity;q=0.5"],
            &["identity;q=0, gzip"],
            &["gzip, *;q=0"],
            &["identity, gzip"],
            &[",, gzip ,"],
            &["gzip;Q=1."],
        ] {
            assert!(takes(lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &[""],
            &["identity"],
            &["br"],
            &["gzip;q=0"],
            &["gzip;q=0.000, *"],
            &["gzip; q=0", "br"],
            &["*;q=0"],
            &["gzipped"],
            &["gzip;q=0.5, identity"],
            &["*;q=0.3, identity;q=0.4"],
            &["gzip;q=2"],
            &["gzip;q=0.0001"],
            &["gzip;q=-1"],
            &["gzip;q="],
            &["gzip;q"],
            &["gzip;q=1.1"],
        ] {
            assert!(!takes(lines), "{lines:?}");
        }
    }

    #[test]
    fn issue_23_item_2_a_copy_that_is_the_same_is_not_sent_again() {
        let has = |lines: &[&str]| has_already(&headers(IF_NONE_MATCH, lines), "\"abc\"");
        for lines in [&["\"abc\""][..], &["W/\"abc\""], &["\"x\", \"abc\""], &["\"x\"", "W/\"abc\""], &["*"]]
        {
            assert!(has(lines), "{lines:?}");
        }
        for lines in [&[][..], &["abc"], &["\"ab\""], &["\"abcd\""], &["w/\"abc\""], &["\"\""]] {
            assert!(!has(lines), "{lines:?}");
        }
    }
}
