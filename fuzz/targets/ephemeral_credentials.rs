//! Ephemeral credentials: usernames, digest logins and nonces as a client may send them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::credentials::digest::{Algorithm, DigestLogin};
use portward::credentials::ephemeral::Ephemeral;
use portward::credentials::nonce::{Bound, Known, Nonces};

fuzz_target!(|input: &[u8]| {
    if let Some(read) = Ephemeral::read(input) {
        // There is one spelling of each.
        let text = [read.expires.to_string().as_bytes(), b":", read.user].concat();
        assert_eq!(text, input);
        assert!(!read.is_genuine(input, &["secret"]));
        let right = read.passwords(&["secret"]).next().unwrap();
        assert!(read.is_genuine(right.as_bytes(), &["other", "secret"]));
    }
    if let Some(login) = DigestLogin::read(input) {
        assert!(login.nc > 0 && !login.username.is_empty() && !login.uri.is_empty());
        // Nobody finds the response of a password by chance.
        assert!(!login.fits(b"REGISTER", login.uri, b"a password"));
        // Two of a parameter are no login.
        let twice = [input, b", username=\"x\""].concat();
        assert_eq!(DigestLogin::read(&twice), None);
    }
    let bound = Bound { connection: 1, realm: b"pbx.example", algorithm: Algorithm::Md5 };
    assert_eq!(Nonces::new(&[7; 32]).known(input, bound, 1), Known::Foreign);
});
