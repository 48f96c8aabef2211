//! Lines written by htpasswd itself, and the faults of its other formats.

use portward::credentials::{Line, Logins};

use super::{htpasswd, line};

#[test]
fn item_3_bcrypt_lines_of_every_cost_are_understood() {
    for (cost, password) in
        (4..=12).zip(["a", "two words", "co:lon", "ümläut", "$2y$", "'quote\"", "{SHA}", "1", "end "])
    {
        let line = line("user", password, cost);
        let logins = Logins::read([line.as_bytes()]).unwrap();
        let hash = logins.of_user(b"user").unwrap();
        assert!(hash.fits(password.as_bytes()), "{line}");
        assert!(!hash.fits(format!("{password}x").as_bytes()), "{line}");
    }
    // bcrypt cuts long passwords. 72 octets fit. A longer password is not taken for the same one.
    let long = "x".repeat(72);
    let line = line("user", &long, 4);
    let line = Line::read(line.as_bytes()).unwrap();
    assert!(line.hash().fits(long.as_bytes()) && !line.hash().fits(format!("{long}x").as_bytes()));
}

#[test]
fn item_3_what_else_htpasswd_writes_is_refused_with_what_would_be_right() {
    for (kind, said) in [("-nbm", "APR1"), ("-nbs", "SHA-1"), ("-nbd", "crypt"), ("-nbp", "clear")] {
        let line = htpasswd(&[kind, "user", "secret"]);
        let wrong = Line::read(line.as_bytes()).unwrap_err();
        assert!(wrong.message.contains(said) && wrong.help.contains("htpasswd -nB"), "{line}: {wrong:?}");
    }
    let dear = htpasswd(&["-nbB", "-C", "13", "user", "secret"]);
    let wrong = Line::read(dear.as_bytes()).unwrap_err();
    assert!(wrong.message.contains("over 12") && wrong.help.contains("-nBC 12"), "{wrong:?}");
}
