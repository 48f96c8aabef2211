//! Ephemeral credentials: usernames, digest logins and nonces of clients, and a whole request with such a field.

#![no_main]

use std::num::NonZeroU16;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use portward::credentials::Secret;
use portward::credentials::brought::HandshakeCredential;
use portward::credentials::digest::{Algorithm, DigestLogin};
use portward::credentials::ephemeral::Ephemeral;
use portward::credentials::nonce::{NonceBinding, NonceState, Nonces};
use portward::inspect::Inspect;
use portward::inspect::sip::{Ask, Inspector};
use portward::route::proving::{Asked, CredentialCheck, Proving, Terms, Why};
use portward::rules::{
    Address, Builder, CheckedPorts, CredentialUser, Endpoint, HostDef, NameDef, Ports, ServiceRule, Source,
    Table,
};
use portward::service::PerService;

const NOW: u64 = 1_700_000_000;

static NONCES: LazyLock<Nonces> = LazyLock::new(|| Nonces::new(&[7; 32]));

/// One host that demands credentials.
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let address = Address::Ip([192, 0, 2, 1].into());
    let rule = ServiceRule {
        endpoints: Arc::new([Endpoint { address, options: Arc::default() }]),
        ports: CheckedPorts::Unchecked(Ports { tcp: NonZeroU16::new(5060), tls: None }),
        rewrite_transport: false,
        max_message: None,
        websocket: None,
        credentials: Some(CredentialUser::Any),
        source: Source::default(),
    };
    let host = HostDef {
        name: NameDef { name: "pbx.example".into(), source: Source::default() },
        aliases: Vec::new(),
        enabled: true,
        tenant: None,
        client_trust: None,
        endpoints: None,
        rules: PerService { http: None, sip: Some(rule), ldap: None, h323: None },
        http: Vec::new(),
        presets: Vec::new(),
    };
    let mut builder = Builder::new();
    builder.add(host).unwrap();
    builder.build(Vec::new())
});

/// A request with this value of Authorization. Whatever the value is, the request is not proven.
fn asked_with(value: &[u8], brought: Option<&HandshakeCredential>) {
    let before = "MESSAGE sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/TCP x\r\nFrom: <sip:a@pbx.example>;tag=a\r\n\
                  To: <sip:b@pbx.example>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\nAuthorization: ";
    let head = [before.as_bytes(), value, b"\r\n\r\n"].concat();
    let Inspect::Found { ask: Ask::Message(message), len } = Inspector::of_client().inspect(&head) else {
        return;
    };
    let head = &head[..len];
    let secrets = [Secret::new(b"a secret that stands in no input")];
    let terms = Terms {
        table: &TABLE,
        secrets: &secrets,
        algorithms: &Algorithm::ALL,
        longest: 86_400,
        nonces: &NONCES,
        connection: 1,
        now: NOW,
    };
    let Some(host) = TABLE.host("pbx.example") else { return };
    let Some(asked) = Asked::of(&TABLE, (host, None), (head, &message)) else { return };
    let asked = asked.with(true, brought);
    let mut proving = Proving::default();
    match proving.look(&terms, &asked) {
        CredentialCheck::Asked { more, .. } => assert_eq!(more.lines().count(), Algorithm::ALL.len()),
        verdict => assert_eq!(verdict, CredentialCheck::Refused(Why::Failed)),
    }
    assert!(proving.proven().is_none());
    // Only whole lines are removed, and no tenant is added.
    let changes = proving.changes(&terms, &asked);
    let lines = || message.fields.iter().map(|field| field.line);
    assert!(changes.cut.iter().all(|cut| lines().any(|line| line == *cut)) && changes.add.is_none());
}

fuzz_target!(|input: &[u8]| {
    if let Some(read) = Ephemeral::read(input) {
        // Each value has only one spelling.
        let text = [read.expires.to_string().as_bytes(), b":", read.user].concat();
        assert_eq!(text, input);
        assert!(!read.is_genuine(input, &["secret"]));
        let right = read.passwords(&["secret"]).next().unwrap();
        assert!(read.is_genuine(right.as_bytes(), &["other", "secret"]));
    }
    if let Some(login) = DigestLogin::read(input) {
        assert!(login.nc > 0 && !login.username.is_empty() && !login.uri.is_empty());
        // An input cannot have the right response by chance.
        assert!(!login.fits(b"REGISTER", login.uri, b"a password"));
        // A repeated parameter makes the login invalid.
        let twice = [input, b", username=\"x\""].concat();
        assert_eq!(DigestLogin::read(&twice), None);
    }
    let brought = HandshakeCredential::read(input, Some(input));
    asked_with(input, brought.as_ref());
    // The same with a nonce of our own.
    let nonce = NONCES.make(
        NonceBinding { connection: 1, realm: b"pbx.example", algorithm: Algorithm::Md5 },
        1,
        1_700_000_000,
    );
    asked_with(&[format!("Digest nonce=\"{nonce}\", ").as_bytes(), input].concat(), None);
    let bound = NonceBinding { connection: 1, realm: b"pbx.example", algorithm: Algorithm::Md5 };
    assert_eq!(Nonces::new(&[7; 32]).known(input, bound, 1), NonceState::Foreign);
});
