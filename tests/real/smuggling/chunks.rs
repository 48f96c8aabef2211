//! Chunked bodies (RFC 9112 §7.1): sizes, extensions, ends, trailers.

use super::rows::{HIDDEN, Outcome, Row, SECOND, chunked, one, row, two};

/// The table.
pub fn chunks() -> Vec<Row> {
    let good = |what: &str, body: &str, reads: &str| {
        [
            row(what, "9112 §7.1", chunked(body), one("POST", reads)),
            row(
                &format!("{what}, and a second request"),
                "9112 §9.3.2",
                chunked(body) + SECOND,
                two("POST", reads),
            ),
        ]
    };
    let mut rows: Vec<Row> = [
        good("a chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        good("no chunk", "0\r\n\r\n", ""),
        good("leading zeros", "0005\r\nhello\r\n0\r\n\r\n", "hello"),
        good(
            "as many zeros as 64 bits take",
            "0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n",
            "hello",
        ),
        good(
            "large and small letters",
            "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
            "01234567890123456789",
        ),
        good("data that looks like the end", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"),
        good("an extension", "5;a=b;c=\"d e\";f\r\nhello\r\n0;last\r\n\r\n", "hello"),
        good("an extension that is a quotation without end", "5;a=\"\r\nhello\r\n0\r\n\r\n", "hello"),
        good("an extension that looks like a size", "5;0\r\nhello\r\n0\r\n\r\n", "hello"),
        good("an extension behind white space", "5 \t;a=b\r\nhello\r\n0\r\n\r\n", "hello"),
        good("white space behind the size", "5  \r\nhello\r\n0\r\n\r\n", "hello"),
        good("a trailer", "5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n", "hello"),
        good("a trailer that looks like a request", "0\r\nX: GET /hidden/NNNNN HTTP/1.1\r\n\r\n", ""),
        // RFC 9110 §6.5.1: these are dropped, or are read as fields without an effect.
        good("a trailer: Content-Length", "0\r\nContent-Length: 500\r\nX: spoof-not\r\n\r\n", ""),
        good("a trailer: Transfer-Encoding", "0\r\nTransfer-Encoding: spoof\r\n\r\n", ""),
        good("a trailer: Host", "0\r\nHost: spoof\r\n\r\n", ""),
        good("a trailer: Authorization", "0\r\nAuthorization: spoof\r\n\r\n", ""),
        good("a trailer: Cookie", "0\r\nCookie: spoof\r\n\r\n", ""),
        good("a trailer: Connection", "0\r\nConnection: spoof\r\n\r\n", ""),
        good("a trailer: Expect", "0\r\nExpect: spoof\r\n\r\n", ""),
        good("a trailer: Upgrade", "0\r\nUpgrade: spoof\r\n\r\n", ""),
        good("a trailer: X-Forwarded-For", "0\r\nX-Forwarded-For: spoof\r\n\r\n", ""),
        good("a trailer: X_Forwarded_For", "0\r\nX_Forwarded_For: spoof\r\n\r\n", ""),
        good("a trailer: Forwarded", "0\r\nForwarded: for=spoof\r\n\r\n", ""),
        good("a trailer: Content_Length", "0\r\nContent_Length: spoof\r\n\r\n", ""),
    ]
    .into_iter()
    .flatten()
    .collect();

    for size in [
        "",
        "+5",
        "-5",
        "-0",
        " 5",
        "\t5",
        "0x5",
        "0X5",
        "x5",
        "5h",
        "5g",
        "5x",
        "5L",
        "5.0",
        "5_0",
        "5,",
        "5,5",
        "5 5",
        "5 x",
        "5\t0",
        "５",
        "٥",
        "\"5\"",
        "'5'",
        "(5)",
        "$5",
        "#5",
        "5#",
        "5/",
        "5:",
        "5=",
        "5-",
        "5+",
        "5*",
        "00000000000000005",
        "10000000000000005",
        "fffffffffffffffff",
        "8000000000000000",
        "8000000000000005",
        "ffffffffffffffff",
        "100000000000000000000000000000005",
        "5\0",
        "\u{0}5",
        "5\u{b}",
        "5\u{c}",
        "\u{b}5",
        "5\u{85}",
        "5\u{a0}",
        "\u{feff}5",
        "5\u{7f}",
        "five",
    ] {
        let body = format!("{size}\r\nhello\r\n0\r\n\r\n{HIDDEN}");
        rows.push(row(&format!("size {size:?}"), "9112 §7.1", chunked(&body), Outcome::Broken));
    }
    for (what, body) in [
        ("LF behind the size", "5\nhello\r\n0\r\n\r\n"),
        ("CR behind the size", "5\rhello\r\n0\r\n\r\n"),
        ("LF CR behind the size", "5\n\rhello\r\n0\r\n\r\n"),
        ("CR CR LF behind the size", "5\r\r\nhello\r\n0\r\n\r\n"),
        ("LF before the size", "\n5\r\nhello\r\n0\r\n\r\n"),
        ("CR LF before the size", "\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("LF behind the data", "5\r\nhello\n0\r\n\r\n"),
        ("CR behind the data", "5\r\nhello\r0\r\n\r\n"),
        ("LF CR behind the data", "5\r\nhello\n\r0\r\n\r\n"),
        ("nothing behind the data", "5\r\nhello0\r\n\r\n"),
        ("two other bytes behind the data", "5\r\nhelloXX0\r\n\r\n"),
        ("more data than said", "3\r\nhello\r\n0\r\n\r\n"),
        ("less data than said", "8\r\nhello\r\n0\r\n\r\n"),
        ("two CR LF behind the data", "5\r\nhello\r\n\r\n0\r\n\r\n"),
        ("LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("LF ends an extension", "5;a\nhello\r\n0\r\n\r\n"),
        ("LF in a quotation", "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"),
        ("CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("CR CR LF ends an extension", "5;a\r\r\nhello\r\n0\r\n\r\n"),
        ("NUL in an extension", "5;a\0b\r\nhello\r\n0\r\n\r\n"),
        ("a control in an extension", "5;a\u{1}\r\nhello\r\n0\r\n\r\n"),
        ("LF behind the last size", "0\n\r\n"),
        ("LF at the very end", "0\r\n\n"),
        ("CR at the very end", "0\r\n\rX"),
        ("LF LF at the end", "0\n\n"),
        (
            "the last chunk, then a request at once",
            "0\r\nGET /hidden/NNNNN HTTP/1.1\r\nHost: one.example.net\r\n\r\n",
        ),
        ("a trailer without a colon", "0\r\nnonsense\r\n\r\n"),
        ("a trailer without a name", "0\r\n: x\r\n\r\n"),
        ("a trailer with a space before its colon", "0\r\nA : x\r\n\r\n"),
        ("a trailer with a tab before its colon", "0\r\nA\t: x\r\n\r\n"),
        ("a trailer with a space in its name", "0\r\nA B: x\r\n\r\n"),
        ("a folded trailer", "0\r\nA: x\r\n y\r\n\r\n"),
        ("a folded first trailer", "0\r\n A: x\r\n\r\n"),
        ("LF in a trailer", "0\r\nA: x\nB: y\r\n\r\n"),
        ("LF ends a trailer", "0\r\nA: x\n\r\n"),
        ("CR in a trailer", "0\r\nA: x\rB: y\r\n\r\n"),
        ("NUL in a trailer", "0\r\nA: x\0y\r\n\r\n"),
        ("NUL in a trailer's name", "0\r\nA\0: x\r\n\r\n"),
        ("a control in a trailer", "0\r\nA: x\u{1}\r\n\r\n"),
        ("a control in a trailer's name", "0\r\nA\u{1}: x\r\n\r\n"),
    ] {
        rows.push(row(what, "9112 §7.1", chunked(&format!("{body}{HIDDEN}")), Outcome::Broken));
    }
    for (what, body) in [
        ("a size that nobody can send", "7fffffffffff\r\nhello\r\n0\r\n\r\n".to_owned()),
        ("no end", "5\r\nhello\r\n".to_owned()),
        ("no last line", "5\r\nhello\r\n0\r\n".to_owned()),
        ("half a size", "5".to_owned()),
    ] {
        rows.push(row(what, "9112 §7.1", chunked(&body), Outcome::Incomplete));
    }
    for (what, body) in [
        ("an over-long extension", format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000))),
        ("extensions that add up", "1;xxxxxxxxx\r\ny\r\n".repeat(1000) + "0\r\n\r\n"),
        ("an over-long trailer", format!("0\r\nA: {}\r\n\r\n", "x".repeat(100_000))),
        ("very many trailers", format!("0\r\n{}\r\n", "A: x\r\n".repeat(20_000))),
    ] {
        rows.push(row(what, "9112 §7.1.1, §7.1.2", chunked(&body), Outcome::Broken));
    }
    rows
}
