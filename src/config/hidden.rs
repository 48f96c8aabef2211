//! Hides the parts of a text that a diagnostic must not show: the hashes of logins, and secrets (contract section 8).
//! They are overwritten with asterisks, octet for octet, so that every place in the text stays where it is. A text that
//! is no TOML is treated in the same way, so no parser is needed here.

use std::sync::Arc;

/// The keys whose strings are hidden. The user's name in a login is shown. `file:PATH` is shown, because it is no
/// secret.
const KEYS: [&str; 3] = ["login", "secrets", "secret"];

/// The text with its secrets hidden.
pub(super) fn shown(text: &Arc<String>) -> Arc<String> {
    let mut octets = None;
    for key in KEYS {
        for (at, _) in text.match_indices(key) {
            let before = text.as_bytes().get(..at).and_then(|before| before.last());
            let is_word = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
            let behind = text.get(at + key.len()..).unwrap_or_default();
            if before.is_some_and(is_word) || behind.as_bytes().first().is_some_and(is_word) {
                continue;
            }
            let value = behind.trim_start_matches(['"', '\'']).trim_start_matches([' ', '\t']);
            let Some(value) = value.strip_prefix('=') else { continue };
            let octets = octets.get_or_insert_with(|| text.as_bytes().to_vec());
            hide(octets, text.len() - value.len(), key == "login");
        }
    }
    octets.and_then(|octets| String::from_utf8(octets).ok()).map_or_else(|| Arc::clone(text), Arc::new)
}

/// Hides the strings in the value that begins at `at`.
fn hide(octets: &mut [u8], at: usize, is_login: bool) {
    let (mut depth, mut at) = (0usize, at);
    while let Some(octet) = octets.get(at).copied() {
        match octet {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'#' => {
                let end = rest(octets, at).iter().position(|octet| *octet == b'\n');
                at += end.unwrap_or(octets.len()).saturating_sub(1);
            }
            b'\n' if depth == 0 => return,
            b'"' | b'\'' => at = string(octets, at, (is_login, depth > 0)),
            _ => {}
        }
        if depth == 0 && matches!(octet, b']' | b'"' | b'\'') {
            return;
        }
        at += 1;
    }
}

fn rest(octets: &[u8], from: usize) -> &[u8] {
    octets.get(from..).unwrap_or_default()
}

/// Hides the string that begins at `at`. Returns the position of its last octet.
fn string(octets: &mut [u8], at: usize, (is_login, in_list): (bool, bool)) -> usize {
    let quote = octets.get(at).copied().unwrap_or(b'"');
    let long = [quote; 3];
    let is_long = rest(octets, at).starts_with(&long);
    let begin = at + if is_long { 3 } else { 1 };
    let mut end = begin;
    while let Some(octet) = octets.get(end).copied() {
        let is_end = if is_long {
            rest(octets, end).starts_with(&long)
        } else {
            matches!(octet, b'\n') || octet == quote
        };
        if is_end {
            break;
        }
        end += if octet == b'\\' && quote == b'"' { 2 } else { 1 };
    }
    let end = end.min(octets.len());
    let text = octets.get(begin..end).unwrap_or_default();
    let colon = text.iter().position(|octet| *octet == b':');
    let from = match (is_login, colon) {
        // The string is a word or the name of a file, and no list of lines.
        (true, None) if !in_list => text.len(),
        (true, Some(colon)) => colon + 1,
        (true, None) => 0,
        (false, _) if text.starts_with(b"file:") => text.len(),
        (false, _) => 0,
    };
    blot(octets.get_mut(begin + from..end).unwrap_or_default());
    end + if is_long { 2 } else { 0 }
}

/// An htpasswd file with its hashes hidden: users, and nothing after the colon.
pub(super) fn file(text: &[u8]) -> String {
    let mut octets = text.to_vec();
    for line in octets.split_mut(|octet| *octet == b'\n') {
        let colon = line.iter().position(|octet| *octet == b':');
        let (user, hash) = line.split_at_mut(colon.map_or(0, |colon| colon + 1));
        blot(hash);
        if !user.is_ascii() {
            blot(user);
        }
    }
    String::from_utf8(octets).unwrap_or_default()
}

fn blot(octets: &mut [u8]) {
    octets.iter_mut().filter(|octet| !octet.is_ascii_whitespace()).for_each(|octet| *octet = b'*');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown_and_everything_keeps_its_place() {
        for (text, hidden) in [
            (
                "login = [\"key:$2y$04$ab\", 'b:c']\nx = \"y\"",
                "login = [\"key:*********\", 'b:*']\nx = \"y\"",
            ),
            ("a = { login = [\"hunter2\"], b = \"c\" }", "a = { login = [\"*******\"], b = \"c\" }"),
            ("login = \"tenant\"\nlogin = \"users:x\"", "login = \"tenant\"\nlogin = \"users:*\""),
            (
                "login = [ # \"x\n \"a:b\",\n\"é\" ]\nc = \"d\"",
                "login = [ # \"x\n \"a:*\",\n\"**\" ]\nc = \"d\"",
            ),
            ("secrets = [\"file:a\", \"b\\\"c\"]", "secrets = [\"file:a\", \"****\"]"),
            ("secrets = [\"unended\nx = \"a\"", "secrets = [\"*******\nx = \"*\""),
            ("login = [\"\"\"\na:b\n\"\"\"]\nc = \"d\"", "login = [\"\"\"\na:*\n\"\"\"]\nc = \"d\""),
            ("\"login\" = ['a:b']", "\"login\" = ['a:*']"),
            ("failed_logins = \"a\"\nlogin_plain = \"b\"", "failed_logins = \"a\"\nlogin_plain = \"b\""),
        ] {
            let shown = shown(&Arc::new(text.to_owned()));
            assert_eq!(*shown, hidden);
            assert_eq!(shown.len(), text.len());
        }
    }

    #[test]
    fn a_file_shows_its_users() {
        let shown = file(b"# c\na:$2y$x\n\nhunter2\n#b:c\n\xe4:d\n");
        assert_eq!(shown, "* *\na:*****\n\n*******\n#b:*\n***\n");
        let text = "a:b\nä:c\n".as_bytes();
        assert_eq!(file(text).len(), text.len());
    }
}
