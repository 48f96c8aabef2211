//! The users of a tenant or of a file: an immutable set of lines.

use hmac::digest::Digest as _;
use sha2::Sha256;

use super::hash::Hash;
use super::line::{Line, WrongLine};

/// Users and the hashes of their passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Logins {
    /// The lines, sorted by the user's name.
    lines: Box<[Line]>,
    digest: [u8; 32],
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logins").field("lines", &self.lines.len()).finish_non_exhaustive()
    }
}

impl Default for Logins {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

/// What is wrong with one line of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongLogins {
    /// The number of the line, from 0. In a file, empty lines and comments count too.
    pub line: usize,
    /// What is wrong.
    pub wrong: WrongLine,
}

impl Logins {
    /// Reads lines. Each line may have a fault.
    ///
    /// # Errors
    /// The faults, by line.
    pub fn read<'l>(lines: impl IntoIterator<Item = &'l [u8]>) -> Result<Self, Vec<WrongLogins>> {
        Self::gather(lines.into_iter().enumerate())
    }

    /// Reads an htpasswd file. Empty lines and lines that begin with `#` are ignored (Apache's mod_authn_file).
    ///
    /// # Errors
    /// The faults, by line.
    pub fn read_file(text: &[u8]) -> Result<Self, Vec<WrongLogins>> {
        let lines = text.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end).enumerate();
        Self::gather(lines.filter(|(_, line)| !line.trim_ascii_start().is_empty() && !line.starts_with(b"#")))
    }

    fn gather<'l>(lines: impl Iterator<Item = (usize, &'l [u8])>) -> Result<Self, Vec<WrongLogins>> {
        let (mut good, mut wrong) = (Vec::new(), Vec::new());
        for (number, line) in lines {
            match Line::read(line) {
                Ok(line) => good.push((number, line)),
                Err(why) => wrong.push(WrongLogins { line: number, wrong: why }),
            }
        }
        good.sort_by(|(_, a), (_, b)| a.user().cmp(b.user()));
        let twice = good.windows(2).filter_map(|pair| match pair {
            [(_, first), (number, second)] if first.user() == second.user() => Some(*number),
            _ => None,
        });
        wrong.extend(twice.map(|line| WrongLogins { line, wrong: TWICE }));
        wrong.sort_by_key(|wrong| wrong.line);
        if wrong.is_empty() {
            Ok(Self::of(good.into_iter().map(|(_, line)| line).collect()))
        } else {
            Err(wrong)
        }
    }

    /// `lines` must be sorted by user.
    fn of(lines: Vec<Line>) -> Self {
        let mut digest = Sha256::new();
        for line in &lines {
            for text in [line.user(), line.text()] {
                digest.update((text.len() as u64).to_be_bytes());
                digest.update(text);
            }
        }
        Self { lines: lines.into(), digest: digest.finalize().into() }
    }

    /// The hash of a user's password.
    pub fn of_user(&self, user: &[u8]) -> Option<&Hash> {
        let at = self.lines.binary_search_by(|line| line.user().cmp(user)).ok()?;
        self.lines.get(at).map(Line::hash)
    }

    /// The most expensive hash. A login with an unknown user takes as long as this hash.
    pub fn dearest(&self) -> Option<&Hash> {
        self.lines.iter().map(Line::hash).max_by_key(|hash| hash.price())
    }

    /// A digest of the set. Different sets have different digests. The order of the lines does not matter.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The users' names.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.lines.iter().map(Line::user)
    }

    /// The number of users.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are no users.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

const TWICE: WrongLine = WrongLine {
    offset: 0,
    message: "this user stands here twice",
    help: "one line a user: the password of the other line would never fit",
};

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$04$3ZnSPvtPGrTAQ1sKlIbTN.T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hRS";
    const DEAR: &str = "$2y$06$3ZnSPvtPGrTAQ1sKlIbTN.T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hRS";

    #[test]
    fn a_file_has_comments_and_users() {
        let text = format!("# made by htpasswd\r\n\r\nb:{HASH}\r\n  \na:{DEAR} \n#c:plain\n");
        let logins = Logins::read_file(text.as_bytes()).unwrap();
        assert_eq!(logins.users().collect::<Vec<_>>(), [b"a", b"b"]);
        assert!(logins.of_user(b"a").is_some() && logins.of_user(b"A").is_none());
        assert_eq!(logins.dearest(), logins.of_user(b"a"));
        assert_eq!(format!("{logins:?}"), "Logins { lines: 2, .. }");
        assert!(Logins::read_file(b"").unwrap().is_empty());
    }

    #[test]
    fn the_digest_is_of_the_lines_and_not_of_their_order() {
        let digest = |lines: &[String]| *Logins::read(lines.iter().map(String::as_bytes)).unwrap().digest();
        let (a, b) = (format!("a:{HASH}"), format!("b:{HASH}"));
        assert_eq!(digest(&[a.clone(), b.clone()]), digest(&[b.clone(), a.clone()]));
        let others = [vec![], vec![a.clone()], vec![b.clone()], vec![format!("a:{DEAR}")], vec![a, b]];
        for (at, one) in others.iter().enumerate() {
            assert!(others.iter().skip(at + 1).all(|other| digest(other) != digest(one)));
        }
    }

    #[test]
    fn every_wrong_line_is_told() {
        let text = format!("a:{HASH}\nb\n\na:{DEAR}\nc:hunter2\n");
        let wrong = Logins::read_file(text.as_bytes()).unwrap_err();
        assert_eq!(wrong.iter().map(|wrong| wrong.line).collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!(wrong[1].wrong, TWICE);
    }
}
