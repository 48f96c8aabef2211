//! The log line of a client's certificate that proves nothing, with the cause (contract section 8).

use std::sync::Arc;

use serde_json::Value;

use super::authority::{Authority, Wanted, write};
use crate::harness::{Portward, Wire, client_config, free_port, sip, within};

const HOST: &str = "one.example.net";

/// Every cause for which a certificate proves nothing, in its log line.
#[test]
fn causes_of_a_clients_certificate() {
    within(60, || {
        let (plain, tls) = (sip::pbx("plain"), free_port());
        let rule = |more: &str| {
            format!(
                "[[host]]\nname = \"{HOST}\"\ntarget = \"127.0.0.1\"\n\
                 sip = {{ tcp = {}, tls = {tls}{more} }}\n",
                plain.port()
            )
        };
        let front = |rules: &str, format: &str| {
            let setup = Portward::rules(rules)
                .listen("sips")
                .set("tls.client_trust", "\"trust\"")
                .set("log.format", format);
            write(&setup.dir().join("trust"), &[("telephones.crt", &Authority::trusted().pem)]);
            setup.start()
        };
        let stranger = Authority::root("Somebody");
        let register = |portward: &Portward, config: Arc<rustls::ClientConfig>| {
            let wire = Wire::plain(portward.port("sips"));
            let mut wire = wire.try_into_tls(config, HOST).unwrap();
            wire.send(sip::request("REGISTER", &format!("a@{HOST}"), ""));
            wire
        };
        let config = |authority: &Authority, name: &str| {
            authority.issue(&Wanted::named(name)).client(&rustls::version::TLS13)
        };
        let cases = [
            (config(Authority::trusted(), "other"), "ok(other)", "wrong-name", " not proven: wrong-name"),
            (config(&stranger, "a"), "untrusted", "unknown-ca", ""),
            (client_config(&[&rustls::version::TLS13]), "none", "no-certificate", ""),
        ];
        let (text, json) = (front(&rule(""), "\"text\""), front(&rule(""), "\"json\""));
        let strict = front(&rule(", on_failed_check = \"reject\""), "\"text\"");
        for (config, verdict, cause, suffix) in cases {
            let mark = text.mark();
            let _wire = register(&text, config.clone());
            let line = text.decision_after(mark, &[&format!("a@{HOST} REGISTER cert={verdict} -> ")]);
            assert!(line.ends_with(&format!(":{}(new){suffix}", plain.port())), "{line}");
            let mark = json.mark();
            let _wire = register(&json, config.clone());
            let line = json.line_after(mark, &["\"forwarded\""]);
            let fields: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(
                (&fields["certificate"], &fields["certificate_cause"]),
                (&verdict.into(), &cause.into())
            );
            let mark = strict.mark();
            let _wire = register(&strict, config);
            strict.decision_after(mark, &[&format!("cert={verdict} rejected: certificate {cause}")]);
        }
    });
}
