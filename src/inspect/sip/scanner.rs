//! Requests of tools that search for PBXs and guess passwords, if the tools identify themselves (contract section 9).

use super::{FieldKind, Message};

/// Whether a User-Agent field of a request contains one of the words `names`, in any case. The tools write more around
/// their names: `sipcli/v1.8`, `friendly-scanner (sipvicious)`.
pub fn is_scanner(head: &[u8], request: &Message, names: &[Box<str>]) -> bool {
    if names.is_empty() || request.method(head).is_none() {
        return false;
    }
    let mut agents = request.fields_of(FieldKind::UserAgent).map(|field| field.value.of_input(head));
    agents.any(|agent| names.iter().any(|name| contains(agent, name.as_bytes())))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    let Some(first) = word.first() else { return false };
    let starts = memchr::memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), text);
    starts.filter_map(|at| text.get(at..at + word.len())).any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w3_a_word_is_found_in_any_case_and_place() {
        for (text, word, found) in [
            ("friendly-scanner", "friendly-scanner", true),
            ("Friendly-Scanner", "friendly-scanner", true),
            ("sipcli/v1.8", "SIPCLI", true),
            ("xsipclx sipcli", "sipcli", true),
            ("sipcl", "sipcli", false),
            ("", "sipcli", false),
            ("snomD785/10.1", "sipcli", false),
            ("x", "", false),
        ] {
            assert_eq!(contains(text.as_bytes(), word.as_bytes()), found, "{text} {word}");
        }
    }
}
