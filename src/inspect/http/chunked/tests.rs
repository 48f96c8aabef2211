//! Chunks in every segmentation, and octets that are no chunks.

use super::*;
use crate::inspect::http::Framing;

/// Feeds `input` in pieces of `size` bytes. Returns the forwarded bytes and the number of bytes left over.
fn feed(mut framing: Framing, input: &[u8], size: usize) -> Result<(Vec<u8>, usize), Reason> {
    let (mut out, mut left) = (Vec::new(), 0);
    for piece in input.chunks(size) {
        let mut piece = piece.to_vec();
        let progress = framing.filter(&mut piece)?;
        out.extend_from_slice(&piece[..progress.kept]);
        let mut rest = piece.split_off(progress.taken);
        out.extend(framing.tail());
        while !rest.is_empty() && !framing.is_done() {
            let progress = framing.filter(&mut rest)?;
            out.extend_from_slice(&rest[..progress.kept]);
            rest.drain(..progress.taken);
            out.extend(framing.tail());
        }
        left += rest.len();
    }
    assert!(framing.is_done(), "{:?}", String::from_utf8_lossy(input));
    Ok((out, left))
}

#[test]
fn chunks_pass_in_any_segmentation() {
    let cases: &[(&str, &str, &str)] = &[
        ("3\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "abc"),
        ("0\r\n\r\n", "0\r\n\r\n", ""),
        // Issue 15, A4: a size has only one form.
        ("000000000000000a\r\n0123456789\r\n0000\r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        (
            "010\r\n0123456789abcdef\r\n00 ;x\r\nA: b\r\n\r\n",
            "10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n",
            "0123456789abcdef",
        ),
        (
            "0003;a=\"b\"\r\nabc\r\nA \t\r\n0123456789\r\n0 ;x\r\n\r\n",
            "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "abc0123456789",
        ),
        (
            "1\r\na\r\n0\r\nX-Sum: 1\r\nHost: evil\r\nX_Forwarded_For: 1\r\n\r\n",
            "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n",
            "a",
        ),
        ("1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n", "1\r\na\r\n0\r\n\r\n", "a"),
    ];
    for (input, kept, stripped) in cases {
        let input = format!("{input}GET / HTTP/1.1\r\n");
        for size in 1..input.len() {
            let (out, left) = feed(Framing::chunked(), input.as_bytes(), size).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), *kept, "pieces of {size}");
            assert_eq!(left, 16);
            let (out, _) = feed(Framing::unchunked(), input.as_bytes(), size).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), *stripped, "pieces of {size}");
        }
    }
}

#[test]
fn what_is_no_chunk_is_refused() {
    let long = format!("1;{}\r\n", "x".repeat(EXTENSION_LIMIT as usize + 1));
    let trailer = format!("0\r\nA: {}\r\n\r\n", "x".repeat(TRAILER_LIMIT));
    for input in [
        "",
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1\n",
        "1\r\r\n",
        "1;a\nb\r\n",
        "1;a\rb\r\n",
        "1;\0\r\n",
        "1\r\nab",
        "1\r\na\n",
        "1\r\na\rb",
        "00000000000000001\r\n",
        "1 1;\n",
        "5 5\r\n",
        "5\t0\r\n",
        "5 x\r\n",
        "8000000000000000\r\n",
        "ffffffffffffffff\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA: b\nC: d\r\n\r\n",
        "0\r\n\n",
        &long,
        &trailer,
    ] {
        let mut bytes = input.as_bytes().to_vec();
        let mut framing = Framing::chunked();
        assert!(framing.filter(&mut bytes).is_err() || input.is_empty(), "{input:?}");
    }
}

#[test]
fn a_length_takes_what_is_its_own() {
    let mut framing = Framing::Length(5);
    assert_eq!(framing.filter(&mut [0; 3]), Ok(Progress { kept: 3, taken: 3 }));
    assert_eq!(framing.filter(&mut [0; 3]), Ok(Progress { kept: 2, taken: 2 }));
    assert!(framing.is_done());
}

#[test]
fn n18_chunks_of_a_target_may_have_bare_line_ends_and_go_on_clean() {
    let cases: &[(&str, &str, &str)] = &[
        ("3\nabc\n0\n\n", "3\r\nabc\r\n0\r\n\r\n", "abc"),
        ("3\nabc\r\n2\r\nde\n0\r\n\n", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"),
        ("0\n\r\n", "0\r\n\r\n", ""),
        ("0003;x=y\nabc\n000\nA : b\nHost: c\nB:d\r\n\n", "3\r\nabc\r\n0\r\nA: b\r\nB:d\r\n\r\n", "abc"),
        ("3 ;\"\na\nc\n0 \n\n", "3\r\na\nc\r\n0\r\n\r\n", "a\nc"),
        ("3\r\nabc\r\n0\r\nA\t: b\r\n\r\n", "3\r\nabc\r\n0\r\nA: b\r\n\r\n", "abc"),
    ];
    for (input, kept, stripped) in cases {
        let input = format!("{input}HTTP/1.1 200 OK\n");
        for size in 1..=input.len() {
            for (framing, wanted) in [(Framing::chunked(), kept), (Framing::unchunked(), stripped)] {
                let (out, left) = feed(framing.kindly(), input.as_bytes(), size).unwrap();
                assert_eq!(String::from_utf8_lossy(&out), **wanted, "{input:?} in pieces of {size}");
                assert_eq!(left, 16);
            }
        }
    }
    for input in
        ["\n", "3\rabc", "3\n\nabc\n\n", "3\nabcd\n", "1\na0\n\n", "3\r\r\nabc", "0\n b: c\n\n", "0\nb\n\n"]
    {
        assert!(feed(Framing::chunked().kindly(), input.as_bytes(), 2).is_err(), "{input:?}");
    }
}

#[test]
fn n36_a_target_may_have_long_trailers_and_many_extensions() {
    let input = format!("{}0\r\nA: {}\r\n\r\n", "1;x=yyyyyy\r\na\r\n".repeat(2000), "b".repeat(60_000));
    let (out, _) = feed(Framing::chunked().kindly(), input.as_bytes(), 4096).unwrap();
    assert!(out == input.replace(";x=yyyyyy", "").as_bytes());
    assert!(feed(Framing::chunked(), input.as_bytes(), 4096).is_err());
}

#[test]
fn item_2_a_protected_field_passes_in_no_trailer_in_any_spelling() {
    let mut names = FieldNames::default();
    names.insert("X-Tenant");
    let names = Arc::new(names);
    let body = b"1\r\na\r\n0\r\nX-Tenant: 1\r\nx_TENANT: 2\r\nA: b\r\nX.tenant: 3\r\nX-Tenants: c\r\n\r\n";
    for size in 1..=body.len() {
        let (out, left) = feed(Framing::chunked().without(Some(&names)), body, size).unwrap();
        assert_eq!((str::from_utf8(&out).unwrap(), left), ("1\r\na\r\n0\r\nA: b\r\nX-Tenants: c\r\n\r\n", 0));
        let (out, _) = feed(Framing::chunked().without(None), body, size).unwrap();
        assert!(str::from_utf8(&out).unwrap().contains("X.tenant: 3"));
    }
}
