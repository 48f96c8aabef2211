//! The plain reader takes what it should take, and agrees with the crate toml about it.

use proptest::prelude::*;

use super::*;

/// Whether the plain reader takes a text. If so, the crate toml must find the same in it.
fn is_plain(text: &str) -> bool {
    let arena = Arena::new();
    let plain = plain::read(text, &arena);
    if let Some(table) = plain {
        assert_eq!(by_toml(text, &arena), Ok(table), "{text}");
    }
    plain.is_some()
}

#[test]
fn issue_25_plain_texts_are_read_in_one_pass() {
    for text in [
        "",
        "\n\n# only a comment",
        "a = 1",
        "a = 0 # zero",
        "  b=\"\"\t\r\n\r\nc = \"ü # no comment\" # ü\r\n",
        "a = true\nb = false\nc = 999999999999999999\nd = 4294967296",
        "a = []\nb = [ 1, \"x\", [true], ]\nc = [ # one\n  1 # two\n  , 2\n]",
        "a = {}\nb = { x = 1, y = { z = [ { t = \"\" } ] } }",
        "[[host]]\nname = \"a\"\n[[host]]\n[[host]] # third\nname = \"b\"\nsip = true\nhttp = [\"/\"]",
        "[target.\"192.0.2.1\"]\nverify = \"none\"\n[target.a-b]\n[tenant.x]\n[[host]]\n[target.\"::1\"]",
        "rules = \"rules\"\n[listen]\nhttp = 80\n[tls]\n[limits]",
        "z = 1\na = 2\nm = { z = 1, a = 2 }",
    ] {
        assert!(is_plain(text), "{text}");
    }
}

#[test]
fn issue_25_everything_else_is_left_to_the_crate() {
    for text in [
        // Right, but not plain.
        "a.b = 1",
        "\"a\" = 1",
        "a = 'x'",
        "a = \"\\n\"",
        "a = \"\"\"x\"\"\"",
        "a = -1",
        "a = 1_000",
        "a = 0x10",
        "a = 1.5",
        "a = 1979-05-27",
        "a = 9999999999999999999",
        "a = { b.c = 1 }",
        "[ a ]",
        "[a.b.c]",
        "[a]\n[a.b]",
        "[a.b]\n[a]",
        "[[a]]\n[a.b]",
        "[[a.b]]",
        "a = [[[[[[[[[1]]]]]]]]]",
        // Wrong.
        "a",
        "a =",
        "a = 1 b = 2",
        "a = 1\na = 2",
        "a = { b = 1, b = 2 }",
        "a = 01",
        "a = truely",
        "a = 1a",
        "a = \"x",
        "a = \"x\ny\"",
        "a = \"x\r\ny\"",
        "a = \"x\ry\"",
        "# \r x",
        "a = \"\u{7}\"",
        "# \u{0}",
        "a = \"\u{7f}\"",
        "a = [1 2]",
        "a = [,]",
        "a = { b = 1 c = 2 }",
        "a = { b = 1",
        "a = [1",
        "[a",
        "[a] b = 1",
        "[[a]\n",
        "[a]]\n",
        "[a]\n[a]",
        "[[a]]\n[a]",
        "[a]\n[[a]]",
        "[a.b]\n[a.b]",
        "a = 1\n[a]",
        "a = 1\n[[a]]",
        "\u{feff}a = 1",
        "ü = 1",
        "a == 1",
        "= 1",
        "]",
    ] {
        assert!(!is_plain(text), "{text}");
    }
}

#[test]
fn issue_25_tables_are_sorted_and_every_place_is_known() {
    let text = "b = 1\n[t.z]\n[t.\"a b\"]\nk = \"v\"\n[[l]]\n[[l]]";
    let arena = Arena::new();
    let table = read(text, &arena).unwrap();
    let place = |span: Range<usize>| &text[span];
    let names: Vec<_> = table.iter().map(|(key, value)| (place(key.span()), place(value.span()))).collect();
    assert_eq!(names, [("b", "1"), ("l", "[[l]]"), ("t", "t")]);
    let Some(Node::Table(tables)) = table.get("t").map(Spanned::get_ref) else { panic!("{table:?}") };
    let names: Vec<_> = tables.iter().map(|(key, value)| (place(key.span()), place(value.span()))).collect();
    assert_eq!(names, [("\"a b\"", "[t.\"a b\"]"), ("z", "[t.z]")]);
}

/// Pieces of TOML, so that many texts made of them are right, and many nearly so.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b",
        "\"a\"",
        "a.b",
        "=",
        " = ",
        "1",
        "0",
        "01",
        "1.0",
        "true",
        "false",
        "\"x\"",
        "\"\"",
        "'x'",
        "\"\\n\"",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        ", ",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "# c",
        "#",
        ".",
        "\"",
        "[[a]]\n",
        "[a.b]\n",
        "[a]\n",
        "a = 1\n",
        "b = [1, 2]\n",
        "c = { a = 1 }\n",
        "ü",
        "\u{1}",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn issue_25_the_two_readers_agree(pieces in prop::collection::vec(piece(), 0..24)) {
        is_plain(&pieces.concat());
    }
}

/// Statements that are right, of every plain form and of some others, with blanks, comments and ends of lines anywhere.
/// A few octets of the text are then changed.
fn statement() -> impl Strategy<Value = String> {
    let name = "[a-cA1_-]{1,2}";
    let quoted = prop::string::string_regex("\"[a-c.# =\\[\\]{},'ü\u{80}\u{2028}\t]{0,4}\"").unwrap().boxed();
    let blank = prop::sample::select(vec!["", "", " ", "\t "]);
    let scalar = prop_oneof![
        quoted.clone(),
        "[0-9]{1,20}",
        "(true|false|inf|nan|0b1|0o7|0xf|1e3|-0|\\+1|1_0|07:32:00|1979-05-27 07:32:00Z|''|'a'|\"\"\"\"\"\")",
    ];
    let value = scalar.prop_recursive(10, 24, 4, move |inner| {
        let gap = prop::sample::select(vec!["", " ", "\n", "\r\n", " # x, ] }\n", "\t"]);
        let pairs =
            prop::collection::vec(("[a-d]", prop::sample::select(vec!["", " "]), inner.clone()), 0..4);
        prop_oneof![
            (prop::collection::vec((gap.clone(), inner, gap.clone()), 0..4), prop::bool::ANY, gap).prop_map(
                |(list, comma, gap)| {
                    let list: Vec<_> = list.into_iter().map(|(a, v, b)| format!("{a}{v}{b}")).collect();
                    let end = if comma && !list.is_empty() { "," } else { "" };
                    format!("[{}{end}{gap}]", list.join(","))
                }
            ),
            pairs.prop_map(|pairs| {
                let pairs: Vec<_> =
                    pairs.into_iter().map(|(k, b, v)| format!("{b}{k}{b}={b}{v}{b}")).collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    });
    let key = prop_oneof![8 => name.prop_map(|n| n), 1 => quoted.clone(), 1 => "[a-c]\\.[a-c]"];
    let below = prop_oneof![name.prop_map(|n| n), quoted];
    let end = prop::sample::select(vec!["\n", "\r\n", " # [x]\n", "\n\n", "\t#\t\u{85}\r\n"]);
    let body = prop_oneof![
        6 => (key, blank.clone(), value).prop_map(|(k, b, v)| format!("{b}{k}{b}={b}{v}")),
        1 => name.prop_map(|n| format!("[[{n}]]")),
        1 => name.prop_map(|n| format!("[{n}]")),
        2 => ("[a-c]", below).prop_map(|(n, b)| format!("[{n}.{b}]")),
    ];
    (blank, body, end).prop_map(|(blank, body, end)| format!("{blank}{body}{end}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn issue_25_the_two_readers_agree_about_right_texts(
        statements in prop::collection::vec(statement(), 0..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"\"#[]{}=,.\n\r\t \\01a-'e_".to_vec())), 0..3),
    ) {
        let text = statements.concat();
        is_plain(&text);
        let mut octets = text.into_bytes();
        for (at, to) in changes {
            if !octets.is_empty() {
                let at = at.index(octets.len());
                octets[at] = to;
            }
        }
        if let Ok(text) = String::from_utf8(octets) {
            is_plain(&text);
        }
    }
}
