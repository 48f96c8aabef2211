//! Every seam of a field line, with every octet that some reader ignores (RFC 9112 §5).

use super::rows::{HIDDEN, HOST, Outcome, PATH, Row, arrives, malformed, one, post, row};

/// The places in `Name: value` where an octet can be inserted.
const SEAMS: [&str; 8] = [
    "before the name",
    "in the name",
    "before the colon",
    "behind the colon",
    "before the value",
    "in the value",
    "behind the value",
    "before the line end",
];

fn insert(name: &str, value: &str, seam: usize, what: &[u8]) -> Vec<u8> {
    let (name, value) = (name.as_bytes(), value.as_bytes());
    let parts: [&[u8]; 7] = [&name[..3], &name[3..], b":", b" ", &value[..1], &value[1..], b""];
    let at = [0, 1, 2, 3, 4, 5, 6, 7][seam];
    let mut line = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index == at {
            line.extend_from_slice(what);
        }
        line.extend_from_slice(part);
    }
    if at == 7 {
        line.extend_from_slice(what);
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// The inserted octets and short texts, which some readers skip.
const INTRUDERS: [(&str, &[u8]); 27] = [
    ("a space", b" "),
    ("a tab", b"\t"),
    ("a vertical tab", b"\x0b"),
    ("a form feed", b"\x0c"),
    ("NUL", b"\0"),
    ("0x01", b"\x01"),
    ("a backspace", b"\x08"),
    ("an escape", b"\x1b"),
    ("a unit separator", b"\x1f"),
    ("DEL", b"\x7f"),
    ("NEL", b"\x85"),
    ("a Latin-1 no-break space", b"\xa0"),
    ("a UTF-8 no-break space", b"\xc2\xa0"),
    ("0xff", b"\xff"),
    ("a zero-width space", b"\xe2\x80\x8b"),
    ("LF", b"\n"),
    ("CR", b"\r"),
    ("CR LF space", b"\r\n "),
    ("CR LF tab", b"\r\n\t"),
    ("LF space", b"\n "),
    ("a double quote", b"\""),
    ("an apostrophe", b"'"),
    ("a comma", b","),
    ("a semicolon", b";"),
    ("a colon", b":"),
    ("a backslash", b"\\"),
    ("brackets", b"()"),
];

/// Whether the line keeps its meaning: RFC 9112 §5 allows white space there.
fn is_optional_white_space(seam: usize, what: &[u8]) -> bool {
    matches!(what, b" " | b"\t") && matches!(seam, 3 | 4 | 6 | 7)
}

/// Whether the line is valid, but has another name. An apostrophe is a token character. A colon ends the name.
fn is_another_name(seam: usize, what: &[u8]) -> bool {
    (what == b"'" && seam <= 2) || (what == b":" && seam == 1)
}

/// A field line to modify, and its surroundings.
struct Torn<'a> {
    name: &'a str,
    value: &'a str,
    /// The lines before it.
    others: &'a str,
    /// The octets after the head.
    body: &'a str,
    /// The outcome if the line keeps its meaning.
    same: Outcome,
    /// The outcome if the line is another field.
    other: Outcome,
}

fn tear(rows: &mut Vec<Row>, torn: &Torn<'_>) {
    let Torn { name, value, others, body, same, other } = torn;
    for (seam, place) in SEAMS.iter().enumerate() {
        for (intruder, bytes) in INTRUDERS {
            if seam == 0 && bytes.starts_with(b"\r\n") {
                continue; // the head would end: a fold before the name is the space before the name
            }
            let mut sent = format!("POST {PATH} HTTP/1.1\r\n{others}").into_bytes();
            sent.extend(insert(name, value, seam, bytes));
            sent.extend_from_slice(b"\r\n");
            sent.extend_from_slice(body.as_bytes());
            let same_host = *name == "Host" && bytes == b":" && seam >= 6; // an empty port
            let outcome = if is_optional_white_space(seam, bytes) || same_host {
                same.clone()
            } else if is_another_name(seam, bytes) {
                other.clone()
            } else {
                Outcome::Refused("")
            };
            rows.push(row(&format!("{name}: {intruder} {place}, with {others:?}"), "9112 §5", sent, outcome));
        }
    }
}

/// The fields for framing and routing, modified at every seam.
pub fn seams() -> Vec<Row> {
    let mut rows = Vec::new();
    let then =
        |body: &str, reason: &'static str| Outcome::PassesThen(vec![arrives("POST", PATH, body)], reason);
    let (te, cl) = ("Transfer-Encoding", "Content-Length");
    let (with_te, with_cl) = (format!("{HOST}{te}: chunked\r\n"), format!("{HOST}{cl}: 4\r\n"));
    let with_cl_0 = format!("{HOST}{cl}: 0\r\n");
    let ended = &format!("0\r\n\r\n{HIDDEN}");
    let length = &HIDDEN.len().to_string();
    let empty = || then("", "no-path");
    for (name, value, others, body, same, other) in [
        (te, "chunked", HOST, ended.as_str(), empty(), then("", "malformed")),
        (te, "chunked", &with_cl, ended, malformed(), then("0\r\n\r", "malformed")),
        (te, "chunked", &with_te, ended, malformed(), empty()),
        (cl, length, HOST, HIDDEN, one("POST", HIDDEN), empty()),
        (cl, length, &with_te, ended, malformed(), empty()),
        (cl, length, &with_cl_0, HIDDEN, malformed(), empty()),
        ("Host", "one.example.net", "", HIDDEN, empty(), Outcome::Refused("")),
        ("Host", "two.example.net", HOST, HIDDEN, malformed(), empty()),
    ] {
        tear(&mut rows, &Torn { name, value, others, body, same, other });
    }
    rows
}

/// Whether an octet is a token character (RFC 9110 §5.6.2).
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Every octet in every place of a head.
pub fn every_byte() -> Vec<Row> {
    let mut rows = Vec::new();
    let with = |before: &str, byte: u8, after: &str| {
        [before.as_bytes(), &[byte], after.as_bytes(), HIDDEN.as_bytes()].concat()
    };
    let alone = |what: &str| Outcome::PassesThen(vec![arrives("GET", what, "")], "no-path");
    for byte in 0..=255_u8 {
        let start = format!("GET {PATH} HTTP/1.1\r\n{HOST}");
        let outcome = if is_tchar(byte) || byte == b':' { alone(PATH) } else { malformed() };
        rows.push(row(
            &format!("{byte:#04x} in a name"),
            "9110 §5.1",
            with(&format!("{start}X"), byte, "Y: z\r\n\r\n"),
            outcome,
        ));

        let text = matches!(byte, b'\t' | 0x20..=0x7e | 0x80..);
        let outcome = if text { alone(PATH) } else { malformed() };
        rows.push(row(
            &format!("{byte:#04x} in a value"),
            "9110 §5.5",
            with(&format!("{start}X: y"), byte, "z\r\n\r\n"),
            outcome,
        ));

        if !is_tchar(byte) {
            let rest = format!("T {PATH} HTTP/1.1\r\n{HOST}\r\n");
            rows.push(row(
                &format!("{byte:#04x} in the method"),
                "9110 §9.1",
                with("GE", byte, &rest),
                malformed(),
            ));
        }
        if !matches!(byte, b'.' | b'1') {
            let rest = format!("1\r\n{HOST}\r\n");
            rows.push(row(
                &format!("{byte:#04x} in the version"),
                "9112 §2.3",
                with(&format!("GET {PATH} HTTP/1"), byte, &rest),
                malformed(),
            ));
        }
        let rest = format!("x HTTP/1.1\r\n{HOST}\r\n");
        let outcome = match byte {
            b'\\' | b'%' => Outcome::Refused("unsafe-path"),
            b'#' | ..=0x20 | 0x7f.. => malformed(),
            _ => alone(&format!("{PATH}{}x", char::from(byte))),
        };
        rows.push(row(
            &format!("{byte:#04x} in the path"),
            "9112 §3.2",
            with(&format!("GET {PATH}"), byte, &rest),
            outcome,
        ));
    }
    rows
}

/// Every line end of a request, replaced by everything that some reader takes for one (RFC 9112 §2.2).
pub fn line_ends() -> Vec<Row> {
    let lines = [&format!("POST {PATH} HTTP/1.1"), "Host: one.example.net", "Content-Length: 5", "X: y", ""];
    let mut rows = Vec::new();
    for (what, end) in [
        ("LF", "\n"),
        ("CR", "\r"),
        ("LF CR", "\n\r"),
        ("CR CR LF", "\r\r\n"),
        ("CR NUL LF", "\r\0\n"),
        ("CR space LF", "\r \n"),
        ("NUL", "\0"),
        ("VT", "\u{b}"),
        ("FF", "\u{c}"),
        ("NEL", "\u{85}"),
        ("LS", "\u{2028}"),
        ("LF LF", "\n\n"),
        ("nothing", ""),
    ] {
        for bad in 0..lines.len() {
            let mut sent = String::new();
            for (at, line) in lines.iter().enumerate() {
                sent += line;
                sent += if at == bad { end } else { "\r\n" };
            }
            sent += &format!("hello{HIDDEN}");
            // A name that ends where no line ends may also be called an unknown host.
            let outcome = Outcome::Refused("");
            rows.push(row(&format!("{what} ends line {bad}"), "9112 §2.2", sent, outcome));
        }
    }
    rows.push(row("LF everywhere", "9112 §2.2", post("", HIDDEN).replace("\r\n", "\n"), malformed()));
    rows
}
