//! The normal form of a name that a PBX has confirmed (contract section 6).
//!
//! Many PBXs accept several spellings of one user name, and not every PBX accepts the same ones. Two spellings must
//! never count as two names: otherwise one account would make its address an office with fifty phones. So the normal
//! form leaves out every difference that some PBX ignores: percent escapes of URIs, case, accents, compatibility forms
//! (a full-width letter), blanks, punctuation, invisible characters. Two different names may have the same normal form.
//! That does no harm: the office then counts one name less.

use icu_normalizer::DecomposingNormalizerBorrowed;

/// The longest normal form in octets. It has only letters and digits in lower case.
const LONGEST: usize = 128;

/// The normal form of a name. It is empty if the name has no letters or digits.
pub(super) fn normal(name: &[u8]) -> String {
    let octets = unescaped(name.get(..4 * LONGEST).unwrap_or(name));
    let text = String::from_utf8_lossy(&octets);
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize(&text);
    // Decomposed once more after lower case: the lower case of a few letters is made of two characters.
    let lower = decomposed.to_lowercase();
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize(&lower);
    let mut normal = String::new();
    for character in decomposed.chars().filter(|character| character.is_alphanumeric()) {
        if normal.len() + character.len_utf8() > LONGEST {
            break;
        }
        normal.push(character);
    }
    normal
}

/// Decodes percent escapes: a `%` with two hexadecimal digits stands for an octet (RFC 3986 §2.1).
fn unescaped(name: &[u8]) -> Vec<u8> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut octets = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        let escaped = match more {
            [high, low, behind @ ..] if *first == b'%' => {
                digit(high).zip(digit(low)).map(|(high, low)| (high << 4 | low, behind))
            }
            _ => None,
        };
        match escaped {
            Some((octet, behind)) => {
                octets.push(octet);
                rest = behind;
            }
            None => octets.push(*first),
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one() {
        let rows: [(&[&str], &str); 4] = [
            (&["alice", "ALICE", " a l i c e ", "al-ice", "%61lice", "%41%4C%49%43%45"], "alice"),
            (&["\u{ff41}lice", "ali\u{ad}ce", "ali\u{200b}ce", "%EF%BD%81lice"], "alice"),
            (&["M\u{fc}ller", "m\u{75}\u{308}ller", "MULLER", "M\u{dc}LLER"], "muller"),
            (&["+49 (7031) 73009", "49-7031-7300\u{2079}", "49.7031.73009%"], "49703173009"),
        ];
        for (spellings, expected) in rows {
            for spelling in spellings {
                assert_eq!(normal(spelling.as_bytes()), expected, "{spelling:?}");
            }
        }
        assert_ne!(normal(b"101"), normal(b"102"));
        assert_eq!(normal(b" - \xff"), "");
        assert!(normal(&[b'a'; 10_000]).len() <= LONGEST);
    }
}
