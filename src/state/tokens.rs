//! The tokens of the admin API: one that allows every change, and one that only reads, for Prometheus.
//!
//! They are stored as text in the folder of `state`. The first line is the token that allows changes. The second line
//! is the token that only reads. It is made at the first request for it. A file that an administrator has written is
//! used at the start, if its tokens are long enough.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::secret::random;
use crate::files::state_file;
use crate::guard::blacklist_file::NotStored;

const FILE: &str = "admin-token";
/// The least length of a token. A shorter one could be guessed.
const LEAST: usize = 32;
const MOST: usize = 256;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRights {
    /// Every change.
    Change,
    /// Reading only.
    Read,
}

type Text = Zeroizing<String>;

/// The path of the file.
pub(super) fn file(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// A token.
#[derive(Debug)]
struct Token {
    text: Text,
    /// Cancelled when the token is replaced.
    ends: CancellationToken,
}

impl Token {
    fn new(text: Text) -> Self {
        Self { text, ends: CancellationToken::new() }
    }

    fn fresh(prefix: &str) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(MOST));
        text.push_str(prefix);
        text.push_str(&hex(&*random()));
        Self::new(text)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.ends.cancel();
    }
}

/// The prefixes tell people, and scanners for published secrets, what a token is for.
fn fresh(rights: TokenRights) -> Token {
    Token::fresh(match rights {
        TokenRights::Change => "pw-admin-",
        TokenRights::Read => "pw-read-",
    })
}

/// The octets in hexadecimal digits.
pub(crate) fn hex(octets: &[u8]) -> Text {
    let mut text = Zeroizing::new(String::with_capacity(2 * octets.len()));
    let digit = |four: u8| char::from_digit(four.into(), 16).unwrap_or('0');
    for octet in octets {
        text.push(digit(octet >> 4));
        text.push(digit(octet & 15));
    }
    text
}

/// The contents of the file.
pub(super) enum Found {
    Nothing,
    /// The file has no valid token.
    Damaged,
    Tokens(Text, Option<Text>),
}

/// Reads the file in the folder `state`.
///
/// # Errors
/// The file cannot be read.
pub(super) fn look(state: &Path) -> io::Result<Found> {
    let Some(file) = state_file::open(&file(state))? else { return Ok(Found::Nothing) };
    let mut text = Zeroizing::new(String::with_capacity(3 * MOST));
    match file.take(3 * MOST as u64).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Found::Damaged),
        outcome => outcome?,
    };
    let mut lines = text.lines().map(str::trim);
    let is_token =
        |line: &&str| (LEAST..=MOST).contains(&line.len()) && line.bytes().all(|b| b.is_ascii_graphic());
    let first = lines.next().filter(is_token);
    let second = lines.next().map(|line| Some(line).filter(is_token));
    Ok(match (first, second, lines.next()) {
        (Some(first), second @ (None | Some(Some(_))), None) if second != Some(Some(first)) => {
            let owned = |line: &str| Zeroizing::new(line.to_owned());
            Found::Tokens(owned(first), second.flatten().map(owned))
        }
        _ => Found::Damaged,
    })
}

#[derive(Debug)]
struct Inside {
    change: Token,
    read: Option<Token>,
    is_kept: bool,
}

/// The tokens.
#[derive(Debug)]
pub struct AdminTokens(Mutex<Inside>);

impl AdminTokens {
    /// The tokens in the folder `state`, or new ones.
    pub(super) fn of(state: &Path) -> Self {
        let inside = match look(state) {
            Ok(Found::Tokens(change, read)) => {
                Inside { change: Token::new(change), read: read.map(Token::new), is_kept: true }
            }
            _ => Inside { change: fresh(TokenRights::Change), read: None, is_kept: false },
        };
        Self(Mutex::new(inside))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the tokens, if they are not stored yet. If there are tokens in the file that could not be read before,
    /// those are in force from now on. Returns the new path of a damaged file that was replaced.
    ///
    /// # Errors
    /// Those of the file system. The next call tries again.
    pub(super) fn keep(&self, state: &Path) -> Result<Option<PathBuf>, NotStored> {
        let mut inside = self.inside();
        if inside.is_kept {
            return Ok(None);
        }
        let mut aside = None;
        match look(state).map_err(NotStored::Unread)? {
            Found::Tokens(change, read) => {
                (inside.change, inside.read) = (Token::new(change), read.map(Token::new));
            }
            found => {
                if let Found::Damaged = found {
                    aside = Some(state_file::set_aside(&file(state)).map_err(NotStored::Unwritten)?);
                }
                put(state, &inside.change.text, inside.read.as_ref().map(|token| &token.text))
                    .map_err(NotStored::Unwritten)?;
            }
        }
        inside.is_kept = true;
        Ok(aside)
    }

    /// What the `shown` token allows, and the cancellation of that token. The comparison takes constant time.
    pub fn judge(&self, shown: &[u8]) -> Option<(TokenRights, CancellationToken)> {
        let inside = self.inside();
        let change = is_same(&inside.change.text, shown).then_some((TokenRights::Change, &inside.change));
        let read = inside.read.as_ref().filter(|read| is_same(&read.text, shown));
        let (rights, token) = change.or(read.map(|read| (TokenRights::Read, read)))?;
        Some((rights, token.ends.clone()))
    }

    /// The token itself. The token that only reads is made at the first call for it.
    ///
    /// # Errors
    /// A new token cannot be stored.
    pub fn show(&self, rights: TokenRights, state: &Path) -> io::Result<Zeroizing<String>> {
        {
            let inside = self.inside();
            match (rights, &inside.read) {
                (TokenRights::Change, _) => return Ok(inside.change.text.clone()),
                (TokenRights::Read, Some(read)) => return Ok(read.text.clone()),
                (TokenRights::Read, None) => {}
            }
        }
        self.renew(rights, state)
    }

    /// Replaces the token by a new one. The old one is invalid from now on. The new one is stored before it is in
    /// force.
    ///
    /// # Errors
    /// The new token cannot be stored. Then the old one stays in force.
    pub fn renew(&self, rights: TokenRights, state: &Path) -> io::Result<Zeroizing<String>> {
        let mut inside = self.inside();
        let (token, text) = {
            let token = fresh(rights);
            let text = token.text.clone();
            (token, text)
        };
        match rights {
            TokenRights::Change => {
                put(state, &text, inside.read.as_ref().map(|token| &token.text))?;
                inside.change = token;
            }
            TokenRights::Read => {
                put(state, &inside.change.text, Some(&text))?;
                inside.read = Some(token);
            }
        }
        inside.is_kept = true;
        Ok(text)
    }
}

fn put(state: &Path, change: &Text, read: Option<&Text>) -> io::Result<()> {
    state_file::put(&file(state), |file| {
        for token in [Some(change), read].into_iter().flatten() {
            file.write_all(token.as_bytes())?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })
    .map(drop)
}

/// Compares keyed hashes, so that the duration tells nothing about the token.
fn is_same(token: &str, shown: &[u8]) -> bool {
    let key = random();
    let keyed = |octets: &[u8]| Hmac::<Sha256>::new_from_slice(&*key).map(|mac| mac.chain_update(octets));
    let (Ok(token), Ok(shown)) = (keyed(token.as_bytes()), keyed(shown)) else { return false };
    token.verify_slice(&shown.finalize().into_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn shown(tokens: &AdminTokens, rights: TokenRights, state: &Path) -> String {
        tokens.show(rights, state).unwrap().to_string()
    }

    fn rights(tokens: &AdminTokens, token: &str) -> Option<TokenRights> {
        tokens.judge(token.as_bytes()).map(|(rights, _)| rights)
    }

    #[test]
    fn the_file_is_the_token_until_somebody_wants_one_that_only_reads() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let tokens = AdminTokens::of(&state);
        assert_eq!(tokens.keep(&state).unwrap(), None);
        let change = shown(&tokens, TokenRights::Change, &state);
        assert_eq!(fs::read_to_string(file(&state)).unwrap(), format!("{change}\n"));
        assert_eq!(fs::metadata(file(&state)).unwrap().permissions().mode() & 0o777, 0o600);
        let read = shown(&tokens, TokenRights::Read, &state);
        assert_eq!(fs::read_to_string(file(&state)).unwrap(), format!("{change}\n{read}\n"));
        let again = AdminTokens::of(&state);
        assert_eq!(
            (rights(&again, &change), rights(&again, &read)),
            (Some(TokenRights::Change), Some(TokenRights::Read))
        );
        for wrong in ["", "pw-admin-", &change[1..], &format!("{change} "), &change.to_uppercase()] {
            assert_eq!(rights(&again, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_new_token_ends_the_old_one_and_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let tokens = AdminTokens::of(state);
        let [change, read] =
            [TokenRights::Change, TokenRights::Read].map(|rights| shown(&tokens, rights, state));
        let (_, ends) = tokens.judge(change.as_bytes()).unwrap();
        let new = tokens.renew(TokenRights::Change, state).unwrap();
        assert!(ends.is_cancelled());
        assert_eq!((rights(&tokens, &change), rights(&tokens, &new)), (None, Some(TokenRights::Change)));
        assert_eq!(rights(&tokens, &read), Some(TokenRights::Read));
        tokens.renew(TokenRights::Read, state).unwrap();
        assert_eq!(
            (rights(&tokens, &read), rights(&AdminTokens::of(state), &new)),
            (None, Some(TokenRights::Change))
        );
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_one_that_cannot_be_read_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let long = "x".repeat(LEAST);
        for damaged in ["", "short\n", &format!("{long}\n{long}\n"), &format!("{long}\n\n"), "\0\0\0"] {
            fs::write(file(state), damaged).unwrap();
            let tokens = AdminTokens::of(state);
            let aside = tokens.keep(state).unwrap().unwrap();
            assert_eq!(fs::read_to_string(aside).unwrap(), damaged);
            let token = shown(&tokens, TokenRights::Change, state);
            assert_eq!(rights(&AdminTokens::of(state), &token), Some(TokenRights::Change));
        }
        fs::remove_file(file(state)).unwrap();
        let elsewhere = state.join("mounted later");
        symlink(&elsewhere, file(state)).unwrap();
        let tokens = AdminTokens::of(state);
        assert!(matches!(tokens.keep(state), Err(NotStored::Unread(_))));
        assert!(tokens.renew(TokenRights::Change, state).is_err(), "nothing takes its place");
        fs::write(&elsewhere, format!("{long}\n")).unwrap();
        assert_eq!(tokens.keep(state).unwrap(), None);
        assert_eq!(rights(&tokens, &long), Some(TokenRights::Change));
    }
}
