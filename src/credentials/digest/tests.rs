use super::*;

/// Made with Python's hashlib, and from RFC 7616 §3.9.1.
const LOGIN: &str = "Digest username=\"1700000000:alice\", realm=\"pbx.example\", nonce=\"abc\", uri=\"sip:pbx.example\", \
    response=\"61b7b760c135ec642c8d10ba4b2745cd\", algorithm=MD5, cnonce=\"0a4f\", qop=auth, nc=00000001";
const PASSWORD: &[u8] = b"Cd/49soE35ICqcJF/bCTn8Z4OyE=";

fn fits(value: &str) -> bool {
    let login = DigestLogin::read(value.as_bytes());
    login.is_some_and(|login| login.fits(b"REGISTER", b"sip:pbx.example", PASSWORD))
}

#[test]
fn w5_the_rfcs_own_examples_fit() {
    let of = |algorithm: &str, response: &str| {
        format!(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    };
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let value = of(algorithm, response);
        let login = DigestLogin::read(value.as_bytes()).unwrap();
        assert_eq!((login.algorithm.name(), login.nc), (algorithm, 1));
        assert!(login.fits(b"GET", b"/dir/index.html", b"Circle of Life"), "{algorithm}");
        assert!(!login.fits(b"GET", b"/dir/index.html", b"Circle of life"));
        assert!(!login.fits(b"POST", b"/dir/index.html", b"Circle of Life"));
        assert!(!login.fits(b"GET", b"/dir", b"Circle of Life"), "another request");
    }
}

#[test]
fn w5_spellings_of_telephones_and_browsers_are_read() {
    assert!(fits(LOGIN));
    for (from, to) in [
        ("Digest ", "digest\t"),
        ("algorithm=MD5, ", ""),
        ("algorithm=MD5", "ALGORITHM = \"md5\""),
        ("qop=auth", "qop=\"auth\""),
        ("nc=00000001", "nc=00000001, opaque=\"\", extra=x"),
        // Empty list elements (RFC 9110 §5.6.1).
        ("nc=00000001", "nc=00000001, ,x=y,"),
        ("61b7b760", "61B7B760"),
        (", realm", " ,\r\n realm"),
    ] {
        let value = LOGIN.replacen(from, to, 1);
        assert_ne!(value, LOGIN, "{from}");
        assert!(fits(&value), "{value}");
    }
    let sha256 = LOGIN
        .replace(
            "61b7b760c135ec642c8d10ba4b2745cd",
            "847f926e2d4a5da6629564866f4c3c63d99c095f40dbb010a5741dd8bc37268d",
        )
        .replace("=MD5", "=SHA-256");
    assert!(fits(&sha256));
}

#[test]
fn w5_what_two_readers_read_differently_is_no_login() {
    for (from, to) in [
        ("Digest ", "Digest,"),
        ("Digest ", "Digest"),
        ("Digest ", "Basic "),
        ("algorithm=MD5", "algorithm=MD5-sess"),
        ("algorithm=MD5", "algorithm=SHA-512-256"),
        ("algorithm=MD5", "algorithm="),
        (", qop=auth", ""),
        ("qop=auth", "qop=auth-int"),
        ("qop=auth", "qop=\"auth,auth-int\""),
        (", nc=00000001", ""),
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=00000000"),
        ("nc=00000001", "nc=000000001"),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=+0000001"),
        ("cnonce=\"0a4f\"", "cnonce=\"\""),
        ("cnonce=\"0a4f\", ", ""),
        ("realm=\"pbx.example\", ", ""),
        ("username=\"1700000000:alice\", ", ""),
        ("username=\"1700000000:alice\"", "username=\"\""),
        ("nc=00000001", "nc=00000001, username=\"1700000000:bob\""),
        ("nc=00000001", "nc=00000001, USERNAME=\"1700000000:alice\""),
        ("nc=00000001", "nc=00000001, username*=UTF-8''bob"),
        ("nc=00000001", "nc=00000001, userhash=true"),
        ("1700000000:alice", "1700000000:al\\ice"),
        ("realm=\"pbx.example\"", "realm=\"pbx.example"),
        ("realm=\"pbx.example\"", "realm=\"pbx\".example"),
        ("realm=\"pbx.example\"", "realm=pbx example"),
        ("nc=00000001", "nc=00000001; x=y"),
    ] {
        let value = LOGIN.replacen(from, to, 1);
        assert_ne!(value, LOGIN, "{from}");
        assert_eq!(DigestLogin::read(value.as_bytes()), None, "{value}");
    }
    let many = format!("{LOGIN}{}", (0..40).map(|n| format!(", a{n}=b")).collect::<String>());
    assert_eq!(DigestLogin::read(many.as_bytes()), None);
}

#[test]
fn w5_one_altered_character_fits_no_more() {
    for at in LOGIN.find("username").unwrap()..LOGIN.len() {
        let mut altered = LOGIN.as_bytes().to_vec();
        altered[at] = if altered[at] == b'7' { b'8' } else { b'7' };
        let login = DigestLogin::read(&altered);
        let is_taken = login.is_some_and(|login| login.fits(b"REGISTER", b"sip:pbx.example", PASSWORD));
        // Without a name the algorithm is MD5.
        let begin = LOGIN.find(" algorithm").unwrap();
        let is_algorithm = (begin..begin + 10).contains(&at);
        assert!(!is_taken || is_algorithm, "{}", String::from_utf8_lossy(&altered));
    }
}
