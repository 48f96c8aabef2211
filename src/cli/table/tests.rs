//! Tables on wide and on narrow terminals.

use super::*;

fn connections(width: Option<usize>) -> Table {
    let mut table = Table::new(&["ID", "CLIENT", "FOR", "TARGET", "CERT", "AGE"]).long(&["FOR", "TARGET"]);
    (table.width, table.coloured) = (width, false);
    for cells in [
        ["1", "127.0.5.1", "alice@example.net", "172.31.31.2:5060", "-", "1s"],
        [
            "12",
            "2001:db8::9",
            "a-long-name-of-a-branch.example.net",
            "[2001:db8::2]:443",
            "ok(alice)",
            "3m2s",
        ],
    ] {
        table.row(cells.map(|cell| (cell, Tone::Plain)));
    }
    table
}

#[test]
fn a_row_that_fits_is_one_line() {
    let expected = [
        "ID  CLIENT       FOR                                  TARGET             CERT       AGE",
        "1   127.0.5.1    alice@example.net                    172.31.31.2:5060   -          1s",
        "12  2001:db8::9  a-long-name-of-a-branch.example.net  [2001:db8::2]:443  ok(alice)  3m2s",
    ];
    assert_eq!(connections(None).lines(), expected);
    assert_eq!(connections(Some(89)).lines(), expected);
}

#[test]
fn on_a_narrow_terminal_long_columns_move_below_and_no_word_is_broken() {
    assert_eq!(
        connections(Some(80)).lines(),
        [
            "ID  CLIENT       TARGET             CERT       AGE",
            "1   127.0.5.1    172.31.31.2:5060   -          1s",
            "    FOR alice@example.net",
            "12  2001:db8::9  [2001:db8::2]:443  ok(alice)  3m2s",
            "    FOR a-long-name-of-a-branch.example.net",
        ]
    );
    assert_eq!(
        connections(Some(40)).lines(),
        [
            "ID  CLIENT       CERT       AGE",
            "1   127.0.5.1    -          1s",
            "    FOR alice@example.net",
            "    TARGET 172.31.31.2:5060",
            "12  2001:db8::9  ok(alice)  3m2s",
            "    FOR a-long-name-of-a-branch.example.net",
            "    TARGET [2001:db8::2]:443",
        ]
    );
}

#[test]
fn every_width_shows_everything_and_only_what_cannot_fit_is_wider() {
    for width in 1..120 {
        let lines = connections(Some(width)).lines();
        let text = lines.join("\n");
        for cell in ["alice@example.net", "172.31.31.2:5060", "ok(alice)", "3m2s", "2001:db8::9"] {
            assert!(text.contains(cell), "{width}: {cell} in\n{text}");
        }
        let longest = lines.iter().map(|line| line.width()).max().unwrap();
        assert!(longest <= width.max(43), "{width}: {longest} columns in\n{text}");
    }
}

#[test]
fn wide_characters_count_twice_and_strangers_do_not_steer_the_terminal() {
    let mut table = Table::new(&["NAME", "NEXT"]);
    (table.width, table.coloured) = (None, true);
    table.row([("日本", Tone::Good), ("x\u{1b}[2J", Tone::Plain)]);
    assert_eq!(table.lines(), ["\x1b[1mNAME\x1b[0m  \x1b[1mNEXT\x1b[0m", "\x1b[32m日本\x1b[0m  x\\u{1b}[2J"]);
}
