//! A message of an LDAP client, with `ldap3_proto` as a second opinion. The same octets are also read as a directory's.

#![no_main]

use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{LdapBindCred, LdapMsg, LdapOp};
use libfuzzer_sys::fuzz_target;
use portward::inspect::Inspect;
use portward::inspect::ldap::{
    ANSWER_LIMIT, Ask, Inspector, LDAP_LIMIT, Proof, START_TLS, answer, bind_name,
};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder as _;

mod laws;

fuzz_target!(|input: &[u8]| {
    let mut kept = Inspector;
    laws::hold(input, LDAP_LIMIT, |prefix| kept.inspect(prefix), |prefix| Inspector.inspect(prefix));
    laws_of_answers(input);

    let Inspect::Found { ask, len } = Inspector.inspect(input) else { return };
    if let Ask::Other { size, .. } = ask {
        assert!(size >= len as u64);
        return;
    }
    // It refuses texts that are not UTF-8, and unknown controls. Both read all other messages alike.
    let mut octets = BytesMut::from(input);
    let message = match LdapCodec::default().decode(&mut octets) {
        Ok(Some(message)) => message,
        Ok(None) => panic!("a complete message is not complete"),
        Err(_) => return,
    };
    assert_eq!(len, input.len() - octets.len());
    match (ask, message) {
        (Ask::Bind(bind), LdapMsg { msgid, op: LdapOp::BindRequest(request), .. }) => {
            assert_eq!(i64::from(bind.id), i64::from(msgid));
            assert_eq!(bind.name, bind_name(request.dn.as_bytes()));
            assert!(matches!(request.version, 2 | 3));
            match request.cred {
                LdapBindCred::Simple(password) => {
                    let proof = if password.is_empty() { Proof::Empty } else { Proof::Password };
                    assert_eq!(bind.proof, proof);
                }
                LdapBindCred::SASL(sasl) => {
                    let layered = ["EXTERNAL", "GSSAPI", "GSS-SPNEGO", "DIGEST-MD5"];
                    if layered.iter().any(|name| sasl.mechanism.eq_ignore_ascii_case(name)) {
                        assert_eq!(bind.proof, Proof::SaslRefused);
                    }
                }
                LdapBindCred::Unsupported => assert!(matches!(bind.proof, Proof::Sasl | Proof::SaslRefused)),
            }
        }
        (Ask::StartTls { id }, LdapMsg { msgid, op: LdapOp::ExtendedRequest(request), .. }) => {
            assert_eq!(i64::from(id), i64::from(msgid));
            assert_eq!((request.name.as_bytes(), request.value), (START_TLS, None));
        }
        (ask, message) => panic!("{ask:?}, but {message:?}"),
    }
});

/// An answer never changes, and comes in time.
fn laws_of_answers(input: &[u8]) {
    let mut said = None;
    for end in 0..=input.len().min(2 * ANSWER_LIMIT) {
        let answer = answer(&input[..end]);
        match said {
            Some(before) => assert_eq!(answer, before),
            None if answer == Ok(None) => assert!(end < ANSWER_LIMIT),
            None => said = Some(answer),
        }
    }
}
