//! `portward tenant password` and `secret`. A password or secret is never an argument, because every user of the
//! machine can see arguments.

use std::io::{IsTerminal as _, Read as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Args, TenantError, done, path};
use crate::cli::daemon::field;
use crate::cli::terminal;
use crate::credentials::{BCRYPT_LENGTH, MOST_SECRETS};

/// The cost of a hash, as the exponent of 2. Logins are verified once in five minutes.
const COST: u32 = 10;
/// The length of a generated secret in octets. It is written in hex digits.
const SECRET: usize = 32;

/// The arguments of `portward tenant password`.
#[derive(Debug, clap::Args)]
pub(super) struct Password {
    /// The tenant's id
    id: String,
    /// The user's name
    user: String,
    /// Read it from standard input, up to the end of the line
    #[arg(long)]
    stdin: bool,
    /// Remove the user: it can no longer log in
    #[arg(long, conflicts_with_all = ["stdin", "print"])]
    remove: bool,
    /// Write the line for `login` of a tenant of the rules files, and change nothing
    #[arg(long)]
    print: bool,
}

/// The arguments of `portward tenant secret`.
#[derive(Debug, clap::Args)]
pub(super) struct Secret {
    /// The tenant's id
    id: String,
    /// Read it from standard input, up to the end of the line. Without it one is made and shown
    #[arg(long)]
    stdin: bool,
    /// How many of the older secrets still count
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    keep: u8,
    /// Remove all secrets, and make no new one
    #[arg(long, conflicts_with_all = ["stdin", "keep"])]
    remove: bool,
}

pub(super) fn password(args: &Args, wanted: &Password) -> Result<(), TenantError> {
    let Password { id, user, stdin, remove, print } = wanted;
    let path = path(id, "/login")?;
    if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
        return Err(TenantError::usage("the name of a user has no colon and no control character"));
    }
    if *remove {
        let answer = args.daemon.daemon().ask("POST", &path, Some(&json!({ "user": user, "hash": null })))?;
        done(args, id, &format!("without the user {user}"), *field(&answer, "changed") == json!(true));
        return Ok(());
    }
    let password = read(*stdin, "password")?;
    if password.len() > BCRYPT_LENGTH {
        return Err(TenantError::no(format_args!(
            "the password is longer than {BCRYPT_LENGTH} octets, which bcrypt does not look at"
        )));
    }
    let hash = bcrypt::hash_with_result(password.as_bytes(), COST)
        .map_err(|error| TenantError::no(format_args!("the password cannot be hashed: {error}")))?
        .format_for_version(bcrypt::Version::TwoY);
    if *print {
        terminal::print_line(format_args!("{user}:{hash}"));
        return Ok(());
    }
    let answer = args.daemon.daemon().ask("POST", &path, Some(&json!({ "user": user, "hash": hash })))?;
    done(args, id, &format!("changed: {user} has a new password"), *field(&answer, "changed") == json!(true));
    Ok(())
}

pub(super) fn secret(args: &Args, wanted: &Secret) -> Result<(), TenantError> {
    let Secret { id, stdin, keep, remove } = wanted;
    let path = path(id, "/secrets")?;
    if usize::from(*keep) >= MOST_SECRETS {
        return Err(TenantError::usage("a tenant has four secrets at most: --keep is 0 to 3"));
    }
    let secret = match (*remove, *stdin) {
        (true, _) => None,
        (false, true) => Some(read(true, "secret")?),
        (false, false) => Some(random()),
    };
    let keep = if *remove { 0 } else { *keep };
    let body = json!({ "secret": secret.as_ref().map(|secret| secret.as_str()), "keep": keep });
    let answer = args.daemon.daemon().ask("POST", &path, Some(&body))?;
    let shown = secret.as_ref().filter(|_| !stdin).map(|secret| secret.as_str());
    if args.daemon.json {
        let is_changed = field(&answer, "changed");
        terminal::print_line(
            json!({ "tenant": id, "did": "changed", "changed": is_changed, "secret": shown }),
        );
    } else {
        match shown {
            // Only the secret is printed, so that a script can use it.
            Some(secret) => terminal::print_line(secret),
            None => done(args, id, "changed", *field(&answer, "changed") == Value::Bool(true)),
        }
    }
    Ok(())
}

/// An unpredictable secret.
fn random() -> Zeroizing<String> {
    let key = crate::state::secret::random();
    Zeroizing::new(key.iter().take(SECRET).map(|octet| format!("{octet:02x}")).collect())
}

/// A line of standard input, or a text that is typed twice on the terminal without being shown.
fn read(is_stdin: bool, what: &str) -> Result<Zeroizing<String>, TenantError> {
    let line = match (is_stdin, std::io::stdin().is_terminal()) {
        (true, _) => line()?,
        (false, true) => {
            let first = asked(what)?;
            if *first != *asked(&format!("{what} again"))? {
                return Err(TenantError::no(format_args!(
                    "these are two different {what}s: nothing is changed"
                )));
            }
            first
        }
        (false, false) => {
            return Err(TenantError::usage(format_args!(
                "a {what} is asked for on a terminal, and here is none: give --stdin to read it from standard input"
            )));
        }
    };
    match line.is_empty() {
        true => Err(TenantError::no(format_args!("the {what} is empty: nothing is changed"))),
        false => Ok(line),
    }
}

/// The longest line that is read.
const LINE: usize = 4096;

/// Reads up to the end of the line, octet by octet, so that nothing after it is consumed.
fn line() -> Result<Zeroizing<String>, TenantError> {
    let unread = |why: String| TenantError::no(format_args!("standard input cannot be read: {why}"));
    let mut octets = Zeroizing::new(Vec::with_capacity(LINE));
    for octet in std::io::stdin().lock().bytes().take(LINE) {
        match octet.map_err(|error| unread(error.to_string()))? {
            b'\n' => break,
            octet => octets.push(octet),
        }
    }
    if octets.last() == Some(&b'\r') {
        octets.pop();
    }
    let text = std::str::from_utf8(&octets).map_err(|_| unread("it is not UTF-8".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Asks on the terminal, which does not show the typed text.
fn asked(what: &str) -> Result<Zeroizing<String>, TenantError> {
    let unread =
        |error: rustix::io::Errno| TenantError::no(format_args!("the terminal cannot be used: {error}"));
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).map_err(unread)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    eprint_now(&format!("{what}: "));
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(unread)?;
    let line = line();
    tcsetattr(&stdin, OptionalActions::Now, &before).map_err(unread)?;
    line
}

fn eprint_now(text: &str) {
    use std::io::Write as _;
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
