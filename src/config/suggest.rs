//! Did you mean …?

/// The candidate that `word` was most probably meant to be, if there is one.
pub(super) fn closest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let folded = |text: &str| text.to_lowercase().replace('-', "_");
    let word = folded(word);
    let allowed = 1 + word.chars().count() / 4;
    candidates
        .map(|candidate| (distance(&word, &folded(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance < candidate.len())
        .map(|(_, candidate)| candidate)
}

/// `"a"`, `"b"` or `"c"`, for a message.
pub(super) fn alternatives<'c>(words: impl Iterator<Item = &'c str>) -> String {
    let quoted: Vec<_> = words.map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// How many characters must be inserted, removed, replaced or swapped with their neighbour (restricted
/// Damerau-Levenshtein). Cut at 64 characters, since no key is longer.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut last_b = None;
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&above, j) + usize::from(x != y);
            let mut best = replaced.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            if last_a == Some(y) && last_b == Some(x) {
                best = best.min(at(&before, j.wrapping_sub(1)) + 1);
            }
            row.push(best);
            last_b = Some(y);
        }
        before = std::mem::replace(&mut above, row);
        last_a = Some(x);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("abc", "ab", 1),
            ("abc", "acb", 1),
            ("a", "", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
            assert_eq!(distance(b, a), want, "{b} {a}");
        }
    }

    #[test]
    fn suggests_what_was_meant_and_nothing_else() {
        let keys = ["http", "https", "proxy_protocol_from", "max_undecided"];
        assert_eq!(closest("htpp", keys.into_iter()), Some("http"));
        assert_eq!(closest("Proxy-Protocol-From", keys.into_iter()), Some("proxy_protocol_from"));
        assert_eq!(closest("max_undecidet", keys.into_iter()), Some("max_undecided"));
        assert_eq!(closest("gopher", keys.into_iter()), None);
        assert_eq!(closest("a", ["b"].into_iter()), None);
    }
}
