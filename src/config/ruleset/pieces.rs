//! Divides a rules file into pieces, so that a file of 100,000 hosts is never held as one tree.

use memchr::{memchr_iter, memmem};

/// A piece may begin with one of these lines.
const HEADS: [&str; 3] = ["[[host]]", "[target.", "[tenant."];

/// A piece ends at the first of [`HEADS`] after this many bytes. With this size the division costs little, and the
/// parser's memory for a piece is allocated once and stays in the processor's cache.
const PIECE: usize = 16 * 1024;

/// The text in pieces, each with the byte at which it starts. A piece begins only with a line `[[host]]`, `[target.…`
/// or `[tenant.…`, so that every piece is TOML by itself. A file with multi-line strings is not divided, because such a
/// line could be part of a string.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = text.as_bytes();
    let whole = memmem::find(bytes, b"\"\"\"").is_some() || memmem::find(bytes, b"'''").is_some();
    let mut rest = Some((0, text));
    std::iter::from_fn(move || {
        let (base, text) = rest.take()?;
        let cut = if whole { None } else { next_cut(text) };
        let (piece, after) = text.split_at_checked(cut.unwrap_or(text.len()))?;
        rest = cut.map(|at| (base + at, after));
        Some((base, piece))
    })
}

fn next_cut(rest: &str) -> Option<usize> {
    let beyond = rest.as_bytes().get(PIECE..)?;
    memmem::find_iter(beyond, b"\n[")
        .map(|at| PIECE + at + 1)
        .find(|at| rest.get(*at..).is_some_and(|piece| HEADS.iter().any(|head| piece.starts_with(head))))
}

/// How many hosts a text seems to have.
pub(super) fn hosts_in(text: &str) -> usize {
    let bytes = text.as_bytes();
    memchr_iter(b'[', bytes)
        .filter(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(b"[[host]]")))
        .count()
}

/// Whether a piece may contain a `[target…]` table. `true` may be wrong.
pub(super) fn may_hold_targets(piece: &str) -> bool {
    may_hold(piece, "target")
}

/// Whether the piece that starts at `base` may contain a `[tenant…]` table. `true` may be wrong. At the head of a file
/// such a table may also be written without brackets.
pub(super) fn may_hold_tenants(base: usize, piece: &str) -> bool {
    let bytes = piece.as_bytes();
    let is_unbracketed = || {
        memmem::find_iter(bytes, b"tenant").any(|at| {
            let mut after = bytes.iter().skip(at + "tenant".len()).filter(|byte| !is_between(byte));
            match after.next() {
                Some(b'.') => true,
                Some(b'=') => after.next() == Some(&b'{'),
                _ => false,
            }
        })
    };
    may_hold(piece, "tenant") || (base == 0 && is_unbracketed())
}

fn may_hold(piece: &str, table: &str) -> bool {
    let bytes = piece.as_bytes();
    memchr_iter(b'[', bytes).any(|bracket| {
        let mut after = bytes.get(bracket + 1..).unwrap_or_default();
        while let Some((_, rest)) = after.split_first().filter(|(byte, _)| is_between(byte)) {
            after = rest;
        }
        after.starts_with(table.as_bytes())
    })
}

/// Whether a byte may stand between a bracket and a table's name.
fn is_between(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'"' | b'\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text_and_start_with_a_host() {
        let host = "[[host]]\nname = \"a\"\nhttp = [\"/\"] # [[host]]\n\n";
        for count in [0, 1, 100, 5000] {
            let text = format!("# head\n{}", host.repeat(count));
            let all: Vec<_> = pieces(&text).collect();
            assert_eq!(all.iter().map(|(_, piece)| *piece).collect::<String>(), text);
            assert!(all.iter().skip(1).all(|(_, piece)| piece.starts_with("[[host]]")));
            assert!(all.iter().all(|(base, piece)| text[*base..].starts_with(piece)));
            assert_eq!(all.len() > 1, text.len() > 2 * PIECE);
        }
        assert_eq!(pieces("").count(), 1);
    }

    #[test]
    fn multi_line_strings_are_not_cut() {
        let text = format!("x = \"\"\"{}\"\"\"", "\n[[host]]".repeat(20_000));
        assert_eq!(pieces(&text).count(), 1);
    }

    #[test]
    fn finds_target_tables_however_spelt() {
        for text in ["[target.\"1.2.3.4\"]", "[ target ]", "[\"target\".x]", "x\n\t['target']"] {
            assert!(may_hold_targets(text), "{text}");
        }
        assert!(!may_hold_targets("[[host]]\ntarget = \"1.2.3.4\""));
    }
}
