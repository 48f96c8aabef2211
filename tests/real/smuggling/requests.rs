//! Requests that two readers could understand differently, ordered by the difference.

use super::rows::{
    HIDDEN, HOST, Outcome, PATH, Row, SECOND, arrives, chunked, get, hiding, malformed, one, post, row, two,
};

/// Both framing fields, or several of one (RFC 9112 §6.3: "ought to be handled as an error").
pub fn framing() -> Vec<Row> {
    let ended = format!("0\r\n\r\n{HIDDEN}");
    let both = |first: &str, second: &str| post(&format!("{first}\r\n{second}\r\n"), &ended);
    let te = |value: &str| post(&format!("Transfer-Encoding: {value}\r\n"), &ended);
    let length = |value: &str| post(&format!("Content-Length: {value}\r\n"), &format!("hello{HIDDEN}"));
    let whole = format!("Content-Length: {}", 5 + HIDDEN.len());
    let mut rows = vec![
        row(
            "CL.TE: the length covers all",
            "9112 §6.1",
            both(&whole, "Transfer-Encoding: chunked"),
            malformed(),
        ),
        row(
            "CL.TE: the length covers some",
            "9112 §6.1",
            both("Content-Length: 6", "Transfer-Encoding: chunked"),
            malformed(),
        ),
        row(
            "CL.TE: a length of 0",
            "9112 §6.1",
            both("Content-Length: 0", "Transfer-Encoding: chunked"),
            malformed(),
        ),
        row(
            "TE.CL: the length is short",
            "9112 §6.1",
            both("Transfer-Encoding: chunked", "Content-Length: 4"),
            malformed(),
        ),
        row(
            "TE.CL: the length is 0",
            "9112 §6.1",
            both("Transfer-Encoding: chunked", "Content-Length: 0"),
            malformed(),
        ),
        row(
            "CL.TE: with other fields between",
            "9112 §6.1",
            both("Content-Length: 4\r\nX: y", "Transfer-Encoding: chunked"),
            malformed(),
        ),
        row(
            "CL.TE: in other case",
            "9112 §6.1",
            both("content-length: 4", "TRANSFER-ENCODING: CHUNKED"),
            malformed(),
        ),
        row(
            "CL.TE: the coding is unknown",
            "9112 §6.1",
            both("Content-Length: 4", "Transfer-Encoding: x"),
            malformed(),
        ),
        row(
            "CL.TE: the coding is empty",
            "9112 §6.1",
            both("Content-Length: 4", "Transfer-Encoding:"),
            malformed(),
        ),
        row(
            "CL.TE: GET",
            "9112 §6.1",
            get(&format!("{whole}\r\nTransfer-Encoding: chunked\r\n")) + &ended,
            malformed(),
        ),
        row(
            "CL.TE: Connection would remove the coding",
            "9110 §7.6.1",
            both("Content-Length: 4\r\nConnection: Transfer-Encoding", "Transfer-Encoding: chunked"),
            malformed(),
        ),
        row(
            "CL.TE: Connection would remove the length",
            "9110 §7.6.1",
            both("Content-Length: 4\r\nConnection: Content-Length", "Transfer-Encoding: chunked"),
            malformed(),
        ),
        row(
            "CL.TE: the length is spelt with _",
            "9110 §16.3",
            both("Content_Length: 4", "Transfer-Encoding: chunked"),
            malformed(),
        ),
        row(
            "CL.TE: the coding is spelt with _",
            "9110 §16.3",
            both("Content-Length: 4", "Transfer_Encoding: chunked"),
            malformed(),
        ),
        row(
            "TE.TE: twice",
            "9112 §7",
            both("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
            malformed(),
        ),
        row(
            "TE.TE: the second is another",
            "9112 §7",
            both("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
            malformed(),
        ),
        row(
            "TE.TE: the first is another",
            "9112 §7",
            both("Transfer-Encoding: identity", "Transfer-Encoding: chunked"),
            malformed(),
        ),
        row(
            "TE.TE: the second is empty",
            "9112 §7",
            both("Transfer-Encoding: chunked", "Transfer-Encoding:"),
            malformed(),
        ),
        row(
            "TE.TE: the second in other case",
            "9112 §7",
            both("Transfer-Encoding: chunked", "transfer-encoding: cow"),
            malformed(),
        ),
        row(
            "TE.TE: the second is folded",
            "9112 §5.2",
            both("Transfer-Encoding: chunked", " cow"),
            malformed(),
        ),
        row(
            "TE.TE: the value is folded",
            "9112 §5.2",
            both("Content-Length: 4", "Transfer-Encoding:\r\n chunked"),
            malformed(),
        ),
        row(
            "TE.TE: folded with a tab",
            "9112 §5.2",
            both("Content-Length: 4", "Transfer-Encoding:\r\n\tchunked"),
            malformed(),
        ),
        row(
            "TE.TE: hidden in the line before",
            "9112 §5.2",
            both("X: y", " Transfer-Encoding: chunked"),
            malformed(),
        ),
        row(
            "CL.CL: different",
            "9112 §6.3",
            post("Content-Length: 5\r\nContent-Length: 0\r\n", &format!("hello{HIDDEN}")),
            malformed(),
        ),
        row(
            "CL.CL: different, the other way",
            "9112 §6.3",
            post("Content-Length: 0\r\nContent-Length: 5\r\n", &format!("hello{HIDDEN}")),
            malformed(),
        ),
        row(
            "CL.CL: equal",
            "9112 §6.3",
            post("Content-Length: 5\r\nContent-Length: 5\r\n", &format!("hello{HIDDEN}")),
            malformed(),
        ),
        row(
            "CL.CL: in other case",
            "9112 §6.3",
            post("Content-Length: 5\r\ncontent-length: 0\r\n", &format!("hello{HIDDEN}")),
            malformed(),
        ),
        row(
            "CL.CL: one is empty",
            "9112 §6.3",
            post("Content-Length: 5\r\nContent-Length:\r\n", &format!("hello{HIDDEN}")),
            malformed(),
        ),
        row(
            "CL.CL: one is spelt with _",
            "9110 §16.3",
            post("Content-Length: 5\r\nContent_Length: 0\r\n", &format!("hello{HIDDEN}")),
            malformed(),
        ),
        row("chunked in other case", "9112 §7", te("ChUnKeD").replace(HIDDEN, ""), one("POST", "")),
        row(
            "the field's name in other case",
            "9112 §5",
            post("tRANSFER-eNCODING: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            one("POST", "hello"),
        ),
        row(
            "a length in other case",
            "9112 §5",
            post("content-LENGTH: 5\r\n", "hello"),
            one("POST", "hello"),
        ),
        row(
            "TE in HTTP/1.0",
            "9112 §6.1",
            te("chunked").replace(
                "HTTP/1.1\r\nHost: one.example.net\r\nTr",
                "HTTP/1.0\r\nHost: one.example.net\r\nTr",
            ),
            malformed(),
        ),
        row(
            "TE in HTTP/1.0, keep-alive",
            "9112 §6.1",
            te("chunked\r\nConnection: keep-alive").replacen("HTTP/1.1", "HTTP/1.0", 1),
            malformed(),
        ),
        row(
            "a length without a body's end",
            "9112 §6.3",
            post("Content-Length: 500\r\n", HIDDEN),
            Outcome::Incomplete,
        ),
        row("a length of nearly 2^63", "9110 §8.6", length("9223372036854775807"), Outcome::Incomplete),
        row(
            "a length with leading zeros",
            "9110 §8.6",
            length("0005").replace(HIDDEN, SECOND),
            two("POST", "hello"),
        ),
    ];
    for value in [
        "xchunked",
        "chunkedx",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, identity",
        "identity, chunked",
        "chunked, chunked",
        "chunked,",
        ", chunked",
        ",chunked,",
        "chunked;",
        "chunked; q=1",
        "chunked q",
        "\"chunked\"",
        "'chunked'",
        "(x) chunked",
        "chunked (x)",
        "chunk ed",
        "[chunked]",
        "cow",
        "",
        "0",
        "chunked\u{a0}",
        "ｃｈｕｎｋｅｄ",
        "chun\u{212a}ed",
        "chunKed,identity",
        "true",
    ] {
        rows.push(row(&format!("coding {value:?}"), "9112 §6.1", te(value), malformed()));
    }
    for value in [
        "+5",
        "-5",
        "-0",
        "5,",
        ",5",
        "5, 5",
        "5,5",
        "5, 0",
        "5;",
        "5 5",
        "5.0",
        "5.",
        "5e0",
        "0x5",
        "0b1",
        "5_0",
        "1_0",
        "5h",
        "\"5\"",
        "'5'",
        "",
        "five",
        "５",
        "٥",
        "5\u{a0}",
        "18446744073709551616",
        "18446744073709551621",
        "9223372036854775808",
        "9999999999999999999",
        "00000000000000000000000000000000005",
        "340282366920938463463374607431768211461",
        "NaN",
        "*",
    ] {
        rows.push(row(&format!("length {value:?}"), "9110 §8.6", length(value), malformed()));
    }
    rows
}

/// CL.0 and 0.CL: a body where one of the two readers expects none.
pub fn bodies() -> Vec<Row> {
    let with = |method: &str| hiding("Content-Length: LENGTH\r\n").replacen("POST", method, 1);
    let chunk = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
    let mut rows = vec![
        row("CL.0: POST", "9112 §6.3", with("POST"), one("POST", HIDDEN)),
        row("CL.0: GET", "9112 §6.3, 9110 §9.3.1", with("GET"), one("GET", HIDDEN)),
        row("CL.0: HEAD", "9112 §6.3", with("HEAD"), one("HEAD", HIDDEN)),
        row("CL.0: DELETE", "9112 §6.3", with("DELETE"), one("DELETE", HIDDEN)),
        row("CL.0: OPTIONS", "9112 §6.3", with("OPTIONS"), one("OPTIONS", HIDDEN)),
        row("CL.0: a method nobody knows", "9112 §6.3", with("PROPFIND"), one("PROPFIND", HIDDEN)),
        row(
            "CL.0: HTTP/1.0",
            "9112 §6.3",
            with("POST").replacen("HTTP/1.1", "HTTP/1.0", 1),
            one("POST", HIDDEN),
        ),
        row(
            "CL.0: Connection: close",
            "9112 §6.3",
            hiding("Content-Length: LENGTH\r\nConnection: close\r\n"),
            one("POST", HIDDEN),
        ),
        row("CL.0: and a second request", "9112 §9.3.2", with("POST") + SECOND, two("POST", HIDDEN)),
        row("CL.0: GET and a second request", "9112 §9.3.2", with("GET") + SECOND, two("GET", HIDDEN)),
        row("TE.0: POST", "9112 §7.1", chunked(&chunk), one("POST", HIDDEN)),
        row("TE.0: GET", "9112 §7.1", get("Transfer-Encoding: chunked\r\n") + &chunk, one("GET", HIDDEN)),
        row(
            "TE.0: OPTIONS",
            "9112 §7.1",
            chunked(&chunk).replacen("POST", "OPTIONS", 1),
            one("OPTIONS", HIDDEN),
        ),
        row("TE.0: and a second request", "9112 §9.3.2", chunked(&chunk) + SECOND, two("POST", HIDDEN)),
        row(
            "0.CL: a length of 0, then a hidden request",
            "9112 §6.3",
            post("Content-Length: 0\r\n", HIDDEN),
            Outcome::PassesThen(vec![arrives("POST", PATH, "")], "no-path"),
        ),
        row(
            "0.CL: no length, then a hidden request",
            "9112 §6.3",
            post("", HIDDEN),
            Outcome::PassesThen(vec![arrives("POST", PATH, "")], "no-path"),
        ),
        row(
            "no framing, then what is no request",
            "9112 §6.3",
            post("", "hello world\r\n\r\n"),
            Outcome::PassesThen(vec![arrives("POST", PATH, "")], "malformed"),
        ),
        row(
            "chunks without their field",
            "9112 §6.3",
            post("", "5\r\nhello\r\n0\r\n\r\n"),
            Outcome::PassesThen(vec![arrives("POST", PATH, "")], "malformed"),
        ),
        row(
            "0.CL: a length of 0, then an allowed request",
            "9112 §9.3.2",
            post("Content-Length: 0\r\n", SECOND),
            two("POST", ""),
        ),
    ];
    for line in [
        "Content-Length : LENGTH",
        "Content-Length\t: LENGTH",
        " Content-Length: LENGTH",
        "\tContent-Length: LENGTH",
        "Content_Length: LENGTH",
        "Content.Length: LENGTH",
        "Content~Length: LENGTH",
        "Content Length: LENGTH",
        "X: y\rContent-Length: LENGTH",
        "X: y\nContent-Length: LENGTH",
        "X: y\r\n Content-Length: LENGTH",
        "Content-Length:\u{b}LENGTH",
        "Content-Length: LENGTH\u{c}",
        "Content-Length:\r\n LENGTH",
        "Content-Length: LENGTH\r\n 1",
    ] {
        let sent = hiding(&format!("{line}\r\n"));
        rows.push(row(&format!("0.CL: {line:?}"), "9112 §5.1, §5.2", &sent, malformed()));
        let sent = sent.replacen("POST", "GET", 1);
        rows.push(row(&format!("0.CL: GET, {line:?}"), "9112 §5.1, §5.2", sent, malformed()));
    }
    rows
}

/// 100 (Continue) is a pause after which the two sides may disagree (RFC 9110 §10.1.1).
pub fn expect() -> Vec<Row> {
    let with = |line: &str| hiding(&format!("Content-Length: LENGTH\r\n{line}\r\n"));
    let mut rows = vec![
        row(
            "Expect: and the body at once",
            "9110 §10.1.1",
            with("Expect: 100-continue"),
            one("POST", HIDDEN),
        ),
        row("Expect: in other case", "9110 §10.1.1", with("eXPECT: 100-Continue"), one("POST", HIDDEN)),
        row(
            "Expect: chunked",
            "9110 §10.1.1",
            post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            one("POST", "hello"),
        ),
        row(
            "Expect: GET with a body",
            "9110 §10.1.1",
            with("Expect: 100-continue").replacen("POST", "GET", 1),
            one("GET", HIDDEN),
        ),
        row("Expect: without a body", "9110 §10.1.1", get("Expect: 100-continue\r\n"), one("GET", "")),
        row(
            "Expect: without a body, then a second request",
            "9110 §10.1.1",
            get("Expect: 100-continue\r\n") + SECOND,
            two("GET", ""),
        ),
        row(
            "Expect: in HTTP/1.0",
            "9110 §10.1.1",
            with("Expect: 100-continue").replacen("HTTP/1.1", "HTTP/1.0", 1),
            one("POST", HIDDEN),
        ),
        row(
            "Expect: and both framings",
            "9112 §6.1",
            with("Expect: 100-continue\r\nTransfer-Encoding: chunked"),
            malformed(),
        ),
    ];
    for line in [
        "Expect: 200-ok",
        "Expect:",
        "Expect: 100-continue, x",
        "Expect: x 100-continue",
        "Expect: 100-continue x",
        "Expect: 100-continue\r\nExpect: 100-continue",
        "Expect: 100-continue\r\nExpect: x",
        "Expect: \"100-continue\"",
        "Expect: 100 continue",
        "Expect: 100",
        "Expect : 100-continue",
        " Expect: 100-continue",
        "Expect:\r\n 100-continue",
        "Expect: 100-continue;x=y",
        "Expect: 100-continue\u{b}",
    ] {
        rows.push(row(&format!("{line:?}"), "9110 §10.1.1", with(line), malformed()));
    }
    rows
}

/// Request lines and targets (RFC 9112 §3).
pub fn request_lines() -> Vec<Row> {
    let line = |line: &str| format!("{line}\r\n{HOST}\r\n{HIDDEN}");
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\n{HOST}\r\n");
    let second = |target: &str| format!("GET {target} HTTP/1.1\r\n{HOST}\r\n{SECOND}");
    let mut rows = vec![
        row("absolute-form", "9112 §3.2.2", second("http://one.example.net/open/NNNNN"), two("GET", "")),
        row(
            "absolute-form, other case",
            "9112 §3.2.2",
            second("HTTP://ONE.example.NET/open/NNNNN"),
            two("GET", ""),
        ),
        row(
            "absolute-form, the standard port",
            "9112 §3.2.2",
            second("http://one.example.net:80/open/NNNNN"),
            two("GET", ""),
        ),
        row(
            "absolute-form, https",
            "9112 §3.2.2",
            second("https://one.example.net/open/NNNNN"),
            two("GET", ""),
        ),
        row(
            "absolute-form, another port",
            "9112 §3.2.2",
            target("http://one.example.net:8080/open/NNNNN"),
            malformed(),
        ),
        row(
            "absolute-form, another host",
            "9112 §3.2.2",
            target("http://two.example.net/open/NNNNN"),
            malformed(),
        ),
        row(
            "absolute-form, a longer host",
            "9112 §3.2.2",
            target("http://one.example.net.evil.example/open/NNNNN"),
            malformed(),
        ),
        row(
            "absolute-form with a user",
            "9110 §4.2.4",
            target("http://two.example.net@one.example.net/open/NNNNN"),
            malformed(),
        ),
        row(
            "absolute-form, another scheme",
            "9112 §3.2.2",
            target("ftp://one.example.net/open/NNNNN"),
            malformed(),
        ),
        row(
            "absolute-form, one slash",
            "9112 §3.2.2",
            target("http:/one.example.net/open/NNNNN"),
            malformed(),
        ),
        row("absolute-form, three slashes", "9112 §3.2.2", target("http:///open/NNNNN"), malformed()),
        row(
            "absolute-form, backslashes",
            "9112 §3.2.2",
            target("http:\\\\one.example.net/open/NNNNN"),
            malformed(),
        ),
        row(
            "absolute-form, a backslash in the host",
            "9112 §3.2.2",
            target("http://one.example.net\\@two.example.net/open/NNNNN"),
            malformed(),
        ),
        row(
            "absolute-form, a fragment",
            "9112 §3.2",
            target("http://one.example.net/open/NNNNN#x"),
            malformed(),
        ),
        row(
            "absolute-form without Host",
            "9112 §3.2",
            format!("GET http://one.example.net{PATH} HTTP/1.1\r\n\r\n"),
            Outcome::Refused("no-name"),
        ),
        row(
            "absolute-form, Host empty",
            "9112 §3.2",
            format!("GET http://one.example.net{PATH} HTTP/1.1\r\nHost:\r\n\r\n"),
            Outcome::Refused("no-name"),
        ),
        row(
            "absolute-form, hidden path",
            "contract section 2",
            target("http://one.example.net/hidden/NNNNN"),
            Outcome::NotFound,
        ),
        row(
            "absolute-form within a path",
            "contract section 2",
            target("/http://one.example.net/open/NNNNN"),
            Outcome::Refused("unsafe-path"),
        ),
        row(
            "no scheme",
            "9112 §3.2",
            target("//one.example.net/open/NNNNN"),
            Outcome::Refused("unsafe-path"),
        ),
        row("authority-form", "9112 §3.2.3", target("one.example.net:80"), malformed()),
        row("no slash", "9112 §3.2.1", target("open/NNNNN"), malformed()),
        row("asterisk-form, GET", "9112 §3.2.4", target("*"), malformed()),
        row(
            "asterisk-form, OPTIONS",
            "9112 §3.2.4",
            target("*").replacen("GET", "OPTIONS", 1),
            Outcome::NotFound,
        ),
        row("a fragment", "9112 §3.2", target("/open/NNNNN#x"), malformed()),
        row(
            "a query with a request in it",
            "9112 §3.2",
            second("/open/NNNNN?x=%0d%0aHost:%20two.example.net"),
            Outcome::Passes(vec![
                arrives("GET", "/open/NNNNN?x=%0d%0aHost:%20two.example.net", ""),
                arrives("GET", "/open/NNNNN/second", ""),
            ]),
        ),
        row(
            "CONNECT",
            "contract section 3",
            target("one.example.net:80").replacen("GET", "CONNECT", 1),
            Outcome::Refused("method"),
        ),
        row(
            "CONNECT with a path",
            "contract section 3",
            target(PATH).replacen("GET", "CONNECT", 1),
            Outcome::Refused("method"),
        ),
        row("an empty line first", "9112 §2.2", format!("\r\n{}{SECOND}", get("")), two("GET", "")),
        row("two empty lines first", "9112 §2.2", format!("\r\n\r\n{}{SECOND}", get("")), two("GET", "")),
        row("a bare LF first", "9112 §2.2", format!("\n{}", get("")), malformed()),
        row("a bare CR first", "9112 §2.2", format!("\r{}", get("")), malformed()),
        row(
            "HTTP/2's preface",
            "9113 §3.4",
            format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{HIDDEN}"),
            malformed(),
        ),
        row(
            "a good request, then HTTP/2's preface",
            "9113 §3.4",
            format!("{}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", get("")),
            Outcome::PassesThen(vec![arrives("GET", PATH, "")], "malformed"),
        ),
        row("two requests", "9112 §9.3.2", get("") + SECOND, two("GET", "")),
        row(
            "a request, then a hidden one",
            "9112 §9.3.2",
            get("") + HIDDEN,
            Outcome::PassesThen(vec![arrives("GET", PATH, "")], "no-path"),
        ),
        row(
            "a request, then two Hosts",
            "9112 §3.2",
            get("") + &get("Host: two.example.net\r\n"),
            Outcome::PassesThen(vec![arrives("GET", PATH, "")], "malformed"),
        ),
        row(
            "a request, then both framings",
            "9112 §6.1",
            get("") + &hiding("Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n"),
            Outcome::PassesThen(vec![arrives("GET", PATH, "")], "malformed"),
        ),
        row(
            "a request, then another that starts in its tail",
            "9112 §2.2",
            format!("{}\r\n{SECOND}", post("Content-Length: 5\r\n", "hello")),
            two("POST", "hello"),
        ),
    ];
    for bad in [
        "GET  /open/NNNNN HTTP/1.1",
        "GET /open/NNNNN  HTTP/1.1",
        "GET\t/open/NNNNN HTTP/1.1",
        "GET /open/NNNNN\tHTTP/1.1",
        " GET /open/NNNNN HTTP/1.1",
        "GET /open/NNNNN HTTP/1.1 ",
        "GET /open/NNNNN HTTP/1.1\t",
        "GET /open/NNNNN /x HTTP/1.1",
        "GET /open/NNNNN",
        "GET",
        "/open/NNNNN HTTP/1.1",
        "GET /open/NNNNN HTTP/1.0\r",
        "GET /open/NNNNN http/1.1",
        "GET /open/NNNNN Http/1.1",
        "get /open/NNNNN HTTP/1.1",
        "gEt /open/NNNNN HTTP/1.1",
        "head /open/NNNNN HTTP/1.1",
        "Options * HTTP/1.1",
        "connect one.example.net:443 HTTP/1.1",
        "GET /open/NNNNN HTTP/1.1x",
        "GET /open/NNNNN HTTP/1.10",
        "GET /open/NNNNN HTTP/01.1",
        "GET /open/NNNNN HTTP/1,1",
        "GET /open/NNNNN HTTP/1",
        "GET /open/NNNNN HTTP/1.",
        "GET /open/NNNNN HTTP/2.0",
        "GET /open/NNNNN HTTP/0.9",
        "GET /open/NNNNN HTTP/ 1.1",
        "GET /open/NNNNN HTTP /1.1",
        "GET /open/NNNNN HTTPS/1.1",
        "GET /open/NNNNN ICY/1.1",
        "GET\u{b}/open/NNNNN HTTP/1.1",
        "GET\u{c}/open/NNNNN HTTP/1.1",
        "GET\u{a0}/open/NNNNN HTTP/1.1",
        "GET\0 /open/NNNNN HTTP/1.1",
        "GET:/open/NNNNN HTTP/1.1",
        "G\u{e4}T /open/NNNNN HTTP/1.1",
        "Host: GET /open/NNNNN HTTP/1.1",
        "",
    ] {
        rows.push(row(&format!("request line {bad:?}"), "9112 §3", line(bad), malformed()));
    }
    rows
}

/// Exactly one Host (RFC 9112 §3.2).
pub fn hosts() -> Vec<Row> {
    let hosts = |lines: &str| format!("GET {PATH} HTTP/1.1\r\n{lines}\r\n{SECOND}");
    let mut rows = vec![
        row("Host in other case", "9110 §4.2.3", hosts("hOST: One.Example.NET\r\n"), two("GET", "")),
        row("Host with a port", "9110 §7.2", hosts("Host: one.example.net:80\r\n"), two("GET", "")),
        row("Host with an empty port", "3986 §3.2.3", hosts("Host: one.example.net:\r\n"), two("GET", "")),
        row(
            "Host with a dot at its end",
            "contract section 2",
            hosts("Host: one.example.net.\r\n"),
            two("GET", ""),
        ),
        row("Host without a space", "9112 §5", hosts("Host:one.example.net\r\n"), two("GET", "")),
        row("Host between white space", "9112 §5", hosts("Host: \t one.example.net \t\r\n"), two("GET", "")),
        row("Host last", "9112 §3.2", hosts("X: y\r\nHost: one.example.net\r\n"), two("GET", "")),
        row("no Host", "9112 §3.2", hosts(""), Outcome::Refused("no-name")),
        row(
            "no Host in HTTP/1.0",
            "contract section 8",
            hosts("").replacen("HTTP/1.1", "HTTP/1.0", 1),
            Outcome::Refused("no-name"),
        ),
        row("Host empty", "9112 §3.2", hosts("Host:\r\n"), Outcome::Refused("no-name")),
        row("Host of blanks", "9112 §3.2", hosts("Host: \t \r\n"), Outcome::Refused("no-name")),
        row(
            "Connection would remove Host",
            "9110 §7.6.1",
            hosts("Host: one.example.net\r\nConnection: Host\r\n"),
            malformed(),
        ),
        row(
            "Connection would remove Host, other case",
            "9110 §7.6.1",
            hosts("Host: one.example.net\r\nConnection: close, hOST\r\n"),
            malformed(),
        ),
    ];
    for lines in [
        "Host: one.example.net\r\nHost: one.example.net\r\n",
        "Host: one.example.net\r\nHost: two.example.net\r\n",
        "Host: two.example.net\r\nHost: one.example.net\r\n",
        "Host: one.example.net\r\nX: y\r\nhOST: two.example.net\r\n",
        "Host: one.example.net\r\nHost:\r\n",
        "Host:\r\nHost: one.example.net\r\n",
        "Host: one.example.net\r\nHost : two.example.net\r\n",
        "Host: one.example.net\r\n Host: two.example.net\r\n",
        " Host: two.example.net\r\nHost: one.example.net\r\n",
        "Host: one.example.net\r\n two.example.net\r\n",
        "Host:\r\n one.example.net\r\n",
        "Host : one.example.net\r\n",
        "Host\t: one.example.net\r\n",
        "Host: one.example.net\0\r\n",
        "Host: one.example.net\rHost: two.example.net\r\n",
        "Host: one.example.net\nHost: two.example.net\r\n",
        "\0Host: one.example.net\r\n",
        "Host: one.example.net\r\nHost\0: two.example.net\r\n",
    ] {
        rows.push(row(&format!("{lines:?}"), "9112 §3.2, §5", hosts(lines), malformed()));
    }
    // An invalid Host. It may be called malformed, or an unknown name. It is not forwarded in either case.
    for value in [
        "one.example.net, two.example.net",
        "one.example.net two.example.net",
        "two.example.net@one.example.net",
        "one.example.net/x",
        "one.example.net?x",
        "one.example.net#x",
        "one.example.net:8o",
        "one.example.net:80:80",
        "one.example.net:99999",
        "one.example.net:-1",
        "one.example.net:080",
        "one.example.net:0x50",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.1",
        "2130706433",
        "one.example.net\u{a0}",
        "\u{ff4f}ne.example.net",
        "one%2eexample.net",
        "one.example.net%00",
        "http://one.example.net",
        "\"one.example.net\"",
        "[one.example.net]",
        "one..example.net",
        ".one.example.net",
        "one.example.net..",
        "one.example.net;x",
        "one.example.net\\x",
        "one_example_net",
    ] {
        rows.push(row(
            &format!("Host: {value:?}"),
            "9110 §7.2",
            hosts(&format!("Host: {value}\r\n")),
            Outcome::Refused(""),
        ));
    }
    rows
}

/// Fields that end at the proxy, and fields that the proxy itself sets (RFC 9110 §7.6.1, contract section 3). `spoof`
/// must not arrive.
pub fn hop_by_hop() -> Vec<Row> {
    let passes = [
        "Connection: X-Forwarded-For\r\nX-Forwarded-For: spoof\r\n",
        "Connection: close, X-Forwarded-For, X-Forwarded-Proto\r\nX-Forwarded-Proto: spoof\r\n",
        "Connection: X-Forwarded-Host, Forwarded\r\nForwarded: for=spoof\r\nX-Forwarded-Host: spoof\r\n",
        "X-Forwarded-For: spoof\r\nX-Forwarded-For: spoof\r\n",
        "x-FORWARDED-for: spoof\r\n",
        "X_Forwarded_For: spoof\r\n",
        "X-Forwarded_For: spoof\r\n",
        "X.Forwarded.For: spoof\r\n",
        "X~Forwarded!For: spoof\r\n",
        "X_Forwarded_Proto: spoof\r\n",
        "X_Forwarded_Host: spoof\r\n",
        "X-Forwarded-Server: spoof\r\n",
        "X-Forwarded-Port: spoof\r\n",
        "X-Forwarded-Client-Cert: spoof\r\n",
        "Forwarded: for=spoof;host=spoof\r\n",
        "Connection: X-Secret\r\nX-Secret: spoof\r\n",
        "Connection: x-SECRET ,, \t,\r\nX-Secret: spoof\r\n",
        "X-Secret: spoof\r\nConnection: keep-alive\r\nConnection: X-Secret\r\n",
        "Keep-Alive: spoof\r\n",
        "Proxy-Connection: spoof\r\n",
        "TE: trailers, spoof\r\n",
        "Upgrade: h2c\r\nX-Y: z\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: spoof\r\n",
        "Connection: HTTP2-Settings\r\nHTTP2-Settings: spoof\r\n",
        "HTTP2-Settings: spoof\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, spoof\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0, spoof\r\n",
        "Connection: Upgrade\r\nUpgrade: spoof/websocket\r\n",
        "Connection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "X-Original-URL: /hidden/spoof\r\n",
        "X_Rewrite_URL: /hidden/spoof\r\n",
        "Proxy: http://spoof/\r\n",
        "Connection: Authorization\r\nAuthorization: Basic spoof\r\n",
    ];
    let mut rows: Vec<Row> = passes
        .iter()
        .map(|lines| row(&format!("{lines:?}"), "9110 §7.6.1", get(lines), one("GET", "")))
        .collect();
    rows.extend([
        // A handshake may pass. The target declines it, and the next request is inspected like the first.
        row("Upgrade: websocket, declined", "6455 §4.2.2", get("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), one("GET", "")),
        row("Upgrade: websocket, declined, a hidden request behind it", "6455 §4.2.2", get("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n") + HIDDEN, Outcome::PassesThen(vec![arrives("GET", PATH, "")], "no-path")),
        row("Upgrade: websocket with h2c", "contract section 3", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, websocket\r\nHTTP2-Settings: spoof\r\n"), one("GET", "")),
        row("Upgrade: websocket, POST", "6455 §4.1", hiding("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: LENGTH\r\n"), one("POST", HIDDEN)),
        row("Upgrade: websocket with a body", "contract section 3", hiding("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: LENGTH\r\n").replacen("POST", "GET", 1), one("GET", HIDDEN)),
        row("Upgrade: websocket in HTTP/1.0", "9110 §7.8", get("Connection: Upgrade\r\nUpgrade: websocket\r\n").replacen("HTTP/1.1", "HTTP/1.0", 1), one("GET", "")),
        row("Connection: Content-Length", "9110 §7.6.1", hiding("Connection: Content-Length\r\nContent-Length: LENGTH\r\n"), malformed()),
        row("Connection: content_length", "9110 §7.6.1", hiding("Connection: content_length\r\nContent-Length: LENGTH\r\n"), malformed()),
        row("Connection: Transfer-Encoding", "9110 §7.6.1", post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{HIDDEN}")), malformed()),
        row("Connection: Content-Length in a list", "9110 §7.6.1", hiding("Connection: close,\tContent-Length\r\nContent-Length: LENGTH\r\n"), malformed()),
        row("Connection: Content-Length in the second field", "9110 §7.6.1", hiding("Connection: close\r\nContent-Length: LENGTH\r\nConnection: Content-Length\r\n"), malformed()),
        row("two logins", "9110 §11.6.2", get("Authorization: Basic YTpi\r\nAuthorization: Basic YTpj\r\n"), malformed()),
        row("two nonces", "9110 §11.2", get("Authorization: Digest nonce=\"x\", nonce=\"y\"\r\n"), malformed()),
        row("Content_Length alone", "9110 §16.3", hiding("Content_Length: LENGTH\r\n"), malformed()),
        row("Transfer_Encoding alone", "9110 §16.3", post("Transfer_Encoding: chunked\r\n", &format!("0\r\n\r\n{HIDDEN}")), malformed()),
        row("Transfer.Encoding alone", "9110 §16.3", post("Transfer.Encoding: chunked\r\n", &format!("0\r\n\r\n{HIDDEN}")), malformed()),
        row("a very long head", "contract section 3", get(&format!("X: {}\r\n", "y".repeat(200_000))), Outcome::Refused("too-large")),
        row("very many fields", "contract section 3", get(&"X: y\r\n".repeat(2000)), Outcome::Refused("too-large")),
    ]);
    rows
}
