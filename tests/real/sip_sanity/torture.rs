//! Every message of RFC 4475 against the running program.

use std::path::Path;

use super::{assert_serves, both, front};
use crate::harness::sip::{next_message, pbx};
use crate::harness::within;

/// The answer that the message's section demands. 0: Portward itself does not answer.
const ANSWERS: [(&str, u16); 23] = [
    ("badaspec", 400),
    ("badbranch", 400),
    ("baddn", 400),
    ("badinv01", 400),
    ("badvers", 505),
    ("escruri", 400),
    ("insuf", 400),
    ("intmeth", 400),
    ("inv2543", 400),
    ("ltgtruri", 400),
    ("lwsruri", 400),
    ("lwsstart", 400),
    ("mcl01", 400),
    ("mismatch01", 400),
    ("mismatch02", 400),
    ("multi01", 400),
    ("ncl", 400),
    ("novelsc", 416),
    ("quotbal", 400),
    ("regbadct", 400),
    ("scalar02", 400),
    ("trws", 400),
    ("unkscm", 416),
];

fn answer(name: &str) -> u16 {
    match name {
        "unksm2" => 400,
        "zeromf" => 483,
        _ => ANSWERS.iter().find(|(known, _)| *known == name).map_or(0, |(_, answer)| *answer),
    }
}

fn messages() -> Vec<(String, Vec<u8>)> {
    let folder = std::fs::read_dir(Path::new("tests/fixtures/rfc4475")).unwrap();
    let mut all: Vec<_> = folder
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())
        })
        .collect();
    all.sort();
    assert_eq!(all.len(), 49, "RFC 4475 has forty-nine messages");
    all
}

#[test]
fn w3_each_torture_message_has_the_answer_that_its_text_asks_for() {
    within(200, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).start();
        for is_later in [false, true] {
            for (name, octets) in messages() {
                let expected = answer(&name);
                if expected == 0 {
                    continue;
                }
                for mut client in both(&portward) {
                    if is_later {
                        assert_serves(&mut client);
                    }
                    let (before, mark) = (pbx.bytes(), portward.mark());
                    client.send(&octets);
                    let given = next_message(&mut client).unwrap_or_else(|| panic!("no answer to {name}"));
                    assert_eq!(given.status(), expected, "{name}: {given:?}");
                    portward.line_after(mark, &[" rejected: sanity"]);
                    assert_eq!(pbx.bytes(), before, "{name} reached the PBX");
                }
            }
        }
    });
}

#[test]
fn w3_the_other_torture_messages_get_no_answer_of_sanity() {
    within(200, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).start();
        for (name, octets) in messages().into_iter().filter(|(name, _)| answer(name) == 0) {
            for mut client in both(&portward) {
                let mark = portward.mark();
                client.send(&octets);
                client.finish();
                let rest = String::from_utf8_lossy(&client.rest()).into_owned();
                let is_request = !octets.starts_with(b"SIP/");
                let refused = ["SIP/2.0 400", "SIP/2.0 416", "SIP/2.0 483", "SIP/2.0 505"];
                assert!(!refused.iter().any(|status| rest.starts_with(status)), "{name}: {rest}");
                assert!(is_request || rest.is_empty(), "a response gets no answer: {name} {rest}");
                assert!(!portward.lines_since(mark).join("\n").contains("sanity"), "{name}");
            }
        }
    });
}
