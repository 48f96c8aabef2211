//! `/v1/certificates` and `/v1/listeners`.

use serde_json::Value;

use super::{Inside, get, run, started};
use crate::harness::within;

#[test]
fn item_4_certificates_are_said_as_cert_list_says_them() {
    within(60, || {
        let inside = Inside::new();
        let setup = inside.setup().certificate("a", &["a.example.net"]).certificate("b", &["*.example.net"]);
        let portward = started(setup);
        let answer = get(&portward, "certificates");
        let listed = run(&portward, &["cert", "list", "--json"]);
        let listed: Value = serde_json::from_str(&listed.out).unwrap();
        assert_eq!(answer["certificates"], listed["certificates"]);
        assert_eq!((&answer["count"], &answer["next"]), (&2.into(), &Value::Null));
        assert_eq!(answer["certificates"][0]["name"], "a");
        let first = get(&portward, "certificates?limit=1");
        let rest = get(&portward, &format!("certificates?after={}", first["next"].as_str().unwrap()));
        assert_eq!((&rest["certificates"][0]["name"], &rest["next"]), (&"b".into(), &Value::Null));
    });
}

#[test]
fn item_4_listeners_say_what_is_spoken_and_which_certificates_are_shown() {
    within(60, || {
        let inside = Inside::new();
        let portward = started(inside.setup());
        let answer = get(&portward, "listeners");
        let listeners = answer["listeners"].as_array().unwrap();
        assert_eq!(answer["count"], listeners.len());
        let of = |scheme: &str| listeners.iter().find(|one| one["scheme"] == scheme).unwrap();
        let sips = of("sips");
        assert_eq!(sips["address"], format!("127.0.0.1:{}", portward.port("sips")));
        assert_eq!(
            (&sips["service"], &sips["transport"], &sips["open"]),
            (&"sip".into(), &"tls".into(), &true.into())
        );
        let [certificate] = &sips["certificates"].as_array().unwrap()[..] else { panic!("{sips}") };
        assert_eq!((&certificate["name"], &certificate["default"]), (&"server".into(), &true.into()));
        assert!(certificate["names"].as_array().unwrap().contains(&"*.example.net".into()), "{sips}");
        assert!(of("sip")["certificates"].is_null());
        let admin = listeners.iter().find(|one| one["service"] == "admin").unwrap();
        assert_eq!(admin["address"], portward.dir().join("portward.sock").display().to_string());

        // Without a certificate TLS ports are closed, and the answer says why.
        let certs = portward.dir().join("certs");
        std::fs::remove_dir_all(&certs).unwrap();
        std::fs::create_dir(&certs).unwrap();
        assert_eq!(run(&portward, &["reload"]).code, 0);
        let answer = get(&portward, "listeners");
        let sips =
            answer["listeners"].as_array().unwrap().iter().find(|one| one["scheme"] == "sips").unwrap();
        assert_eq!(sips["open"], false, "{sips}");
        assert!(sips["why"].as_str().unwrap().contains("there is no certificate"), "{sips}");
    });
}
