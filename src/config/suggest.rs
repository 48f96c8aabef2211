//! Guesses the word that was meant ("did you mean …?").

/// The candidate that was most probably meant by `word`, if there is one.
pub(super) fn closest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let folded = |text: &str| text.to_lowercase().replace('-', "_");
    let word = folded(word);
    let allowed = 1 + word.chars().count() / 4;
    candidates
        .map(|candidate| (strsim::osa_distance(&word, &folded(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance < candidate.len())
        .map(|(_, candidate)| candidate)
}

/// `"a"`, `"b"` or `"c"`, as text for a message.
pub(super) fn alternatives<'c>(words: impl Iterator<Item = &'c str>) -> String {
    let quoted: Vec<_> = words.map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
