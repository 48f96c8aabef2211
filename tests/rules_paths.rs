//! Path safety (contract section 2): which paths are refused, and the form in which they are compared. No path that
//! passes under a rule is served outside of it, even by servers that read paths in very different ways.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a failed expectation is the point")]

mod rules_support;

use portward::rules::path::{Unsafe, check_rule_path, request_path};
use portward::rules::{Builder, Table};
use proptest::prelude::*;
use rules_support::{host, rule};

fn compared(raw: &[u8]) -> Result<String, Unsafe> {
    let mut buf = Vec::new();
    request_path(raw, &mut buf).map(|path| String::from_utf8(path.as_bytes().to_vec()).expect("ASCII"))
}

#[test]
fn ordinary_paths_are_borrowed_as_they_are() {
    for raw in
        ["/", "/PBX0/APPS/app_manager/137758/websocket", "/a.b/c..d/e...", "/a=b,c&d@e:f!g$h'(i)*+~_-/"]
    {
        let mut buf = Vec::new();
        let path = request_path(raw.as_bytes(), &mut buf).unwrap();
        assert!(std::ptr::eq(path.as_bytes(), raw.as_bytes()) && !path.encoded_slash(), "{raw}");
    }
}

#[test]
fn the_compared_form() {
    for (raw, form) in [
        ("", "/"),
        ("*", "*"),
        ("/%41%7a%30%2d%2E%5f%7E", "/Az0-._~"),
        ("/%2ewell-known/x", "/.well-known/x"),
        ("/%2c%3d%c3%bc", "/%2C%3D%C3%BC"),
        ("/\u{fc}", "/%C3%BC"),
        ("/\u{1f600}%F0%9F%98%80", "/%F0%9F%98%80%F0%9F%98%80"),
        ("/{a}|\"b\"^`<c>", "/%7Ba%7D%7C%22b%22%5E%60%3Cc%3E"),
        ("/a;v=1/b;", "/a;v=1/b;"),
        ("/a%20b", "/a%20b"),
        ("/100%25", "/100%25"),
        ("/100%25/x", "/100%25/x"),
        ("/%25g0", "/%25g0"),
        ("/%25used", "/%25used"),
        ("/a%3Fb%23c", "/a%3Fb%23c"),
        ("/a;/b", "/a;/b"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%2F%2fb%2F", "/a%2F%2Fb%2F"),
        ("/..a/b../.c/d.", "/..a/b../.c/d."),
        ("/.a%20/%20.b", "/.a%20/%20.b"),
        ("/AC\u{ff0f}DC\u{2026}\u{ff0e}pdf", "/AC%EF%BC%8FDC%E2%80%A6%EF%BC%8Epdf"),
        ("/\u{a5}100", "/%C2%A5100"),
    ] {
        assert_eq!(compared(raw.as_bytes()).as_deref(), Ok(form), "{raw}");
    }
    let mut buf = Vec::new();
    assert!(request_path(b"/a%2fb", &mut buf).unwrap().encoded_slash());
}

#[test]
fn what_could_mean_two_things_is_refused() {
    for (bad, raws) in [
        (Unsafe::NoLeadingSlash, &["a", "**", "%2F", "http://a/", "?", ".", "../a"][..]),
        (
            Unsafe::DotSegment,
            &[
                "/.",
                "/..",
                "/./",
                "/a/../b",
                "/a/..",
                "/%2e",
                "/%2E%2e/",
                "/.%2e",
                "/a/%2e./b",
                "/...",
                "/....",
                "/..;",
                "/..;x=y/a",
                "/.;/a",
                "/..;;/a",
                "/..%3b/a",
                "/..%3Bx/a",
                "/%2e%2E;x",
                "/..%20",
                "/..%20%20/a",
                "/%20../a",
                "/.%20./a",
                "/%20",
                "/a/%20%20/b",
                "/..%20;x/a",
                "/..%2f",
                "/..%2Fa",
                "/a%2f..",
                "/a%2f../b",
                "/a%2F%2e%2e%2fb",
                "/a;%2f../b",
                "/..%3f",
                "/..%3Fx/a",
                "/..%23",
                "/.%23/a",
                // Characters that some servers take for dots, for nothing, or for a slash.
                "/\u{ff0e}\u{ff0e}/a",
                "/%ef%bc%8e./a",
                "/\u{2025}",
                "/a/%E2%80%A6/b",
                "/.\u{200b}./a",
                "/..\u{ad}",
                "/..\u{3000}/a",
                "/\u{feff}..;x/a",
                "/a/..\u{ff0f}b",
                "/a\u{ff0f}..",
                "/a%ef%bc%8f..%EF%BC%BCb",
                "/a/..\u{2215}b",
                "/a/..\u{a5}b",
                "/a;x\u{2044}../b",
            ],
        ),
        (
            Unsafe::EmptySegment,
            &["//", "//a", "/a//b", "/a//", "/;x", "/;", "/a/;x/b", "/a/;/b", "/a/%3bx", "/a/;x;"],
        ),
        (
            Unsafe::EncodedPercent,
            &[
                "/%252e",
                "/%252E%252e/",
                "/%25%32e",
                "/%25%32%65",
                "/%252%65",
                "/%25252e",
                "/%25%35%63",
                "/%2500",
                "/%25u002e",
                "/%25U002E",
                "/%25%75002e",
                "/%25u00%32e",
            ],
        ),
        (
            Unsafe::MalformedEscape,
            &["/%", "/%2", "/%2/", "/%g0", "/%0g", "/%u002e", "/%%32e", "/% 2e", "/a%"],
        ),
        (Unsafe::Backslash, &["/\\", "/a\\..\\b", "/%5c", "/a%5C..", "/..\\", "/..%5c"]),
        (
            Unsafe::Control,
            &[
                "/%00",
                "/a%00.htm",
                "/\0",
                "/%0a",
                "/%0D%0A",
                "/\r\n",
                "/\t",
                "/%09",
                "/%1f",
                "/%7f",
                "/\u{7f}",
                "/a b",
            ],
        ),
        (Unsafe::Control, &["/%c2%80", "/%C2%9F", "/\u{85}"]),
        (
            Unsafe::Utf8,
            &[
                "/%c0%ae",
                "/%c0%2e",
                "/%C1%9C",
                "/%c0",
                "/%e0%80%ae",
                "/%f0%80%80%ae",
                "/%f5",
                "/%ff",
                "/%FE",
                "/%80",
                "/.%80./",
                "/%c3",
                "/%c3/",
                "/%c3a",
                "/%ed%a0%80",
                "/%f4%90%80%80",
                "/%e4",
                "/%c3%c3",
                "/%bf",
            ],
        ),
        (Unsafe::Query, &["/a?b", "/a#b", "/?"]),
    ] {
        for raw in raws {
            assert_eq!(compared(raw.as_bytes()), Err(bad), "{raw:?}");
        }
        assert!(!bad.to_string().is_empty());
    }
    for raw in [&b"/\xc0\xae"[..], b"/\xff", b"/\xe4", b"/.\x80.", b"/\xc3%bc\x80", b"/\x80"] {
        assert_eq!(compared(raw), Err(Unsafe::Utf8), "{raw:?}");
    }
    assert_eq!(compared(b"/\xc3%bc").as_deref(), Ok("/%C3%BC"), "half bare, half escaped");
}

#[test]
fn a_rule_is_as_safe_as_a_request() {
    for path in ["", "/", "/PBX0/APPS", "/.well-known/acme-challenge/", "/a%20b", "/%7Euser", "/m\u{fc}nchen"]
    {
        assert_eq!(check_rule_path(path), Ok(()), "{path}");
    }
    for (path, bad) in [
        ("PBX0", Unsafe::NoLeadingSlash),
        ("*", Unsafe::NoLeadingSlash),
        ("/a/../b", Unsafe::DotSegment),
        ("/a//b", Unsafe::EmptySegment),
        ("/a%2Fb", Unsafe::EncodedSlash),
        ("/a;b", Unsafe::Parameter),
        ("/a%3bb", Unsafe::Parameter),
        ("/a?b", Unsafe::Query),
        ("/a b", Unsafe::Control),
        ("/a%2", Unsafe::MalformedEscape),
        ("/a\\b", Unsafe::Backslash),
    ] {
        assert_eq!(check_rule_path(path), Err(bad), "{path}");
    }
}

// Models of servers. Each returns the segments of the path that it would serve. `None`: it refuses the path.

type Served = Option<Vec<Vec<u8>>>;

/// Decodes every escape once, and leaves malformed ones.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let digits = raw.get(at + 1..at + 3).and_then(|d| str::from_utf8(d).ok());
        let byte = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match byte.and_then(|d| u8::from_str_radix(d, 16).ok()).filter(|_| raw[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(raw[at]);
                at += 1;
            }
        }
    }
    out
}

/// `%u002e`, as IIS read it.
fn unescape_u(raw: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(raw).into_owned();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.to_ascii_lowercase().find("%u") {
        let code =
            rest.get(at + 2..at + 6).and_then(|d| u32::from_str_radix(d, 16).ok()).and_then(char::from_u32);
        out.push_str(&rest[..at]);
        let width = if code.is_some() { 6 } else { 2 };
        out.push_str(&code.map_or("%u".to_owned(), String::from));
        rest = &rest[at + width..];
    }
    out.push_str(rest);
    out.into_bytes()
}

/// Decodes UTF-8 as a careless decoder would: overlong forms count, continuation bytes are not looked at.
fn careless_utf8(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let (width, lead) = match raw[at] {
            0xc0..=0xdf => (2, raw[at] & 0x1f),
            0xe0..=0xef => (3, raw[at] & 0x0f),
            0xf0..=0xf7 => (4, raw[at] & 0x07),
            _ => (1, 0),
        };
        let code = raw
            .get(at + 1..at + width)
            .map(|tail| tail.iter().fold(u32::from(lead), |c, b| c << 6 | u32::from(b & 0x3f)));
        match code.filter(|_| width > 1) {
            Some(code) if code < 0x80 => out.push(code as u8),
            _ => out.extend_from_slice(&raw[at..raw.len().min(at + width)]),
        }
        at += width;
    }
    out
}

/// Drops bytes that are not UTF-8.
fn dropping_utf8(raw: &[u8]) -> Vec<u8> {
    raw.utf8_chunks().flat_map(|chunk| chunk.valid().bytes()).collect()
}

/// Splits, drops empty segments, walks the dots; above the root it stays at the root.
fn resolve(raw: &[u8]) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    for segment in raw.split(|&b| b == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(out.pop()),
            _ => out.push(segment.to_vec()),
        }
    }
    out
}

/// nginx: decodes once, merges slashes, walks the dots; refuses NUL.
fn nginx(raw: &[u8]) -> Served {
    let path = unescape(raw);
    (!path.contains(&0)).then(|| resolve(&path))
}

/// A proxy that decodes in front of a server that decodes again.
fn twice(raw: &[u8]) -> Served {
    Some(resolve(&unescape(&unescape(raw))))
}

/// Tomcat: cuts `;…` from each segment, then decodes once and walks the dots.
fn tomcat(raw: &[u8]) -> Served {
    Some(resolve(&unescape(&cut_parameters(raw))))
}

/// A container that decodes first and cuts then.
fn late_cut(raw: &[u8]) -> Served {
    Some(resolve(&cut_parameters(&unescape(raw))))
}

fn cut_parameters(raw: &[u8]) -> Vec<u8> {
    let cut = raw.split(|&b| b == b'/').map(|s| s.split(|&b| b == b';').next().unwrap_or_default().to_vec());
    cut.collect::<Vec<_>>().join(&b'/')
}

/// IIS of old on Windows: `%u`, two rounds, careless UTF-8, `\` for `/`, trailing dots and spaces dropped.
fn windows(raw: &[u8]) -> Served {
    let mut path = careless_utf8(&unescape(&unescape_u(raw)));
    path = unescape(&unescape_u(&path));
    path.iter_mut().filter(|b| **b == b'\\').for_each(|b| *b = b'/');
    let trimmed = path.split(|&b| b == b'/').map(|segment| match segment {
        b"." | b".." => segment.to_vec(),
        _ => {
            let solid = segment.iter().rposition(|b| !matches!(b, b'.' | b' ')).map_or(0, |at| at + 1);
            // A segment of dots and spaces only. In the worst reading it is the parent.
            if solid == 0 && !segment.is_empty() { b"..".to_vec() } else { segment[..solid].to_vec() }
        }
    });
    Some(resolve(&trimmed.collect::<Vec<_>>().join(&b'/')))
}

/// A C program: the path ends at NUL, at an encoded `?` or `#`, and bytes that are no UTF-8 vanish.
fn c_string(raw: &[u8]) -> Served {
    let path = dropping_utf8(&unescape(raw));
    let end = path.iter().position(|b| b"\0?#\r\n".contains(b)).unwrap_or(path.len());
    Some(resolve(&path[..end]))
}

/// A server that brings the path to Unicode's compatibility form or to a code page, and drops invisible characters.
fn compatible(raw: &[u8]) -> Served {
    let path = String::from_utf8_lossy(&unescape(raw)).into_owned();
    let is_seen = |c: &char| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}');
    let ascii: String = path
        .chars()
        .filter(is_seen)
        .map(|c| match c {
            '\u{2025}' => "..".to_owned(),
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c).to_string(),
            '\u{a5}' | '\u{2044}' | '\u{2215}' => "/".to_owned(),
            c => c.to_string(),
        })
        .collect();
    Some(resolve(ascii.replace('\\', "/").as_bytes()))
}

/// A name and a model.
type Server = (&'static str, fn(&[u8]) -> Served);

const SERVERS: [Server; 7] = [
    ("nginx", nginx),
    ("twice", twice),
    ("tomcat", tomcat),
    ("late cut", late_cut),
    ("windows", windows),
    ("C string", c_string),
    ("compatible", compatible),
];

/// Whether the served path lies under the rule's head.
fn inside(rule: &str, served: &[Vec<u8>]) -> bool {
    let text = [b"/".to_vec(), served.join(&b'/')].concat();
    // To a server `/a/` and `/a` are the same. So the rule's trailing slash may be missing.
    text.starts_with(rule.as_bytes()) || text == rule.trim_end_matches('/').as_bytes()
}

fn tables() -> Vec<(&'static str, Table)> {
    let table = |path: &str| {
        let mut hq = host("hq");
        hq.http = vec![rule(path)];
        let mut builder = Builder::new();
        builder.add(hq).expect("no conflict");
        builder.build(Vec::new())
    };
    ["/PBX0/APPS", "/PBX0/APPS/", "/PBX0/APPS/x", "/PBX0/AP"].map(|path| (path, table(path))).into()
}

fn assert_inside(tables: &[(&'static str, Table)], raw: &[u8]) -> usize {
    let mut buf = Vec::new();
    let Ok(path) = request_path(raw, &mut buf) else { return 0 };
    let mut passed = 0;
    for (rule, table) in tables {
        if table.host("hq").expect("it is there").http(&path).is_err() {
            continue;
        }
        passed += 1;
        for (name, server) in SERVERS {
            let served = server(raw);
            assert!(
                served.as_deref().is_none_or(|served| inside(rule, served)),
                "{name} serves {:?} for {:?} under {rule}",
                served.map(|s| String::from_utf8_lossy(&s.join(&b'/')).into_owned()),
                String::from_utf8_lossy(raw),
            );
        }
    }
    passed
}

/// Ways to write `.`, `/` and `;`, and characters that may stand between them.
const DOTS: [&str; 13] = [
    ".",
    "%2e",
    "%2E",
    "%252e",
    "%25%32%65",
    "%c0%ae",
    "%C0%2E",
    "%e0%80%ae",
    "%u002e",
    "%25u002e",
    "%f0%80%80%ae",
    "%%32e",
    "%ef%bc%8e",
];
const SLASHES: [&str; 11] =
    ["/", "%2f", "%2F", "%252f", "\\", "%5c", "%255c", "//", "/%20/", "%c0%af", "\u{ff0f}"];
const FILLS: [&str; 19] = [
    "", "", "", ";", ";x", ";x=y", "%3b", "%3Bx", "%20", "%00", "%0a", "%09", "%80", "%c2%85", "%3f", "%23",
    " ", ".", "\u{200b}",
];

#[test]
fn every_spelling_of_a_way_out_is_refused() {
    let tables = tables();
    let mut tried = 0;
    for (first, second) in DOTS.iter().flat_map(|a| DOTS.map(|b| (a, b))) {
        for (before, after) in SLASHES.iter().flat_map(|a| SLASHES.map(|b| (a, b))) {
            for fill in FILLS {
                for raw in [
                    format!("/PBX0/APPS{before}{first}{second}{fill}{after}ADMIN"),
                    format!("/PBX0/APPS/x{before}{first}{fill}{second}{after}ADMIN"),
                    format!("/PBX0/APPS{fill}{before}{first}{second}{after}ADMIN"),
                ] {
                    tried += 1;
                    let passed = assert_inside(&tables, raw.as_bytes());
                    assert_eq!(passed, 0, "{raw} passes");
                }
            }
        }
    }
    assert!(tried > 500_000);
}

fn piece() -> impl Strategy<Value = String> {
    const WORDS: [&str; 12] =
        ["PBX0", "APPS", "ADMIN", "x", "a.htm", "%50BX0", "%41PPS", "\u{fc}", "%25", "2e", "u002e", "%"];
    prop_oneof![
        3 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        3 => Just("/".to_owned()),
        2 => prop::sample::select(&DOTS[..]).prop_map(str::to_owned),
        1 => prop::sample::select(&SLASHES[..]).prop_map(str::to_owned),
        2 => prop::sample::select(&FILLS[..]).prop_map(str::to_owned),
        1 => "%[0-9a-fA-F]{2}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    #[test]
    fn what_passes_under_a_rule_is_served_inside_it(
        head in prop::sample::select(&["/PBX0/APPS", "/PBX0/APPS/", "/PBX0/APPS/x", "/%50BX0/%41PPS/x/", "/"][..]),
        pieces in prop::collection::vec(piece(), 0..9),
    ) {
        assert_inside(&tables(), format!("{head}{}", pieces.concat()).as_bytes());
    }

    #[test]
    fn any_bytes_at_all(tail in prop::collection::vec(any::<u8>(), 0..40)) {
        let raw = [b"/PBX0/APPS/".as_slice(), &tail].concat();
        assert_inside(&tables(), &raw);
    }

    #[test]
    fn the_compared_form_is_a_fixed_point_and_no_longer_decodes(pieces in prop::collection::vec(piece(), 0..9)) {
        let raw = format!("/{}", pieces.concat());
        if let Ok(form) = compared(raw.as_bytes()) {
            prop_assert_eq!(compared(form.as_bytes()), Ok(form.clone()));
            prop_assert_eq!(unescape(form.as_bytes()), unescape(raw.as_bytes()), "it means the same");
        }
    }
}
