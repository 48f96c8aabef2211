//! A line of an htpasswd file: `user:hash`.

use super::hash::Hash;

/// The longest user name. htpasswd has the same limit.
pub const LONGEST_USER: usize = 255;

/// A user and the hash of the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    user: Box<[u8]>,
    hash: Hash,
    /// The text of the line, for the digest of a set.
    text: Box<[u8]>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

/// What is wrong with a line. It contains nothing of the hash, which may be a password in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongLine {
    /// The octet of the line at which the fault begins.
    pub offset: usize,
    /// What is wrong.
    pub message: &'static str,
    /// What would be right.
    pub help: &'static str,
}

impl Line {
    /// Reads a line without its line end.
    ///
    /// # Errors
    /// What is wrong with the line, and where.
    pub fn read(line: &[u8]) -> Result<Self, WrongLine> {
        let wrong = |offset, (message, help)| WrongLine { offset, message, help };
        const SHAPE: &str = "a line is USER:HASH, as `htpasswd -nB USER` writes it";
        let Some(colon) = line.iter().position(|octet| *octet == b':') else {
            return Err(wrong(0, ("this is no login: there is no colon behind the user's name", SHAPE)));
        };
        let (user, hash) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
        if user.is_empty() {
            return Err(wrong(0, ("there is no user's name before the colon", SHAPE)));
        }
        if user.len() > LONGEST_USER {
            return Err(wrong(0, ("the user's name is longer than 255 octets", SHAPE)));
        }
        if let Some(at) = user.iter().position(u8::is_ascii_control) {
            return Err(wrong(at, ("a user's name has no control characters", SHAPE)));
        }
        let text = std::str::from_utf8(hash)
            .map_err(|_| wrong(colon + 1, ("this is no hash: it is no text", SHAPE)))?;
        let parsed = Hash::read(text).map_err(|why| wrong(colon + 1, why))?;
        Ok(Self { user: user.into(), hash: parsed, text: hash.into() })
    }

    /// The user's name as octets, in UTF-8 or in the charset of the file.
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The hash of the password.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$04$3ZnSPvtPGrTAQ1sKlIbTN.T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hRS";

    #[test]
    fn a_line_is_a_user_and_a_hash() {
        for user in ["key", "Ä b@c", "a/b\u{a0}"] {
            let line = Line::read(format!("{user}:{HASH}").as_bytes()).unwrap();
            assert_eq!(line.user(), user.as_bytes());
            assert!(!format!("{line:?}").contains("3Zn"));
        }
        assert_eq!(Line::read(&[b"\xe4:", HASH.as_bytes()].concat()).unwrap().user(), b"\xe4");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_without_the_secret() {
        let long = "u".repeat(256);
        for (line, offset, said) in [
            ("key".to_owned(), 0, "no colon"),
            (String::new(), 0, "no colon"),
            (format!(":{HASH}"), 0, "no user's name"),
            (format!("{long}:{HASH}"), 0, "longer than 255"),
            (format!("k\ty:{HASH}"), 1, "control"),
            ("key:hunter2".to_owned(), 4, "in the clear"),
            (format!("key:{HASH}:comment"), 4, "not complete"),
        ] {
            let wrong = Line::read(line.as_bytes()).unwrap_err();
            assert_eq!(wrong.offset, offset, "{line}");
            assert!(wrong.message.contains(said), "{line}: {wrong:?}");
            assert!(!format!("{wrong:?}").contains("hunter2"));
        }
    }
}
