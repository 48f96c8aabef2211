//! Hosts of the API: they must agree with other hosts about credentials, and the API shows their setting.

use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::{House, SECRET};
use crate::harness::{Portward, curl, eventually, within};

fn ask(portward: &Portward, method: &str, host: &str, body: Option<&Value>) -> (u16, String) {
    let socket = portward.dir().join("portward.sock").display().to_string();
    let url = format!("http://portward/v1/hosts/{host}");
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut args = vec!["--unix-socket", &socket, "-X", method, "-w", "\n%{http_code}", &url];
    if !body.is_empty() {
        args.extend(["--data-binary", &body]);
    }
    let said = curl(&args).out;
    let (json, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), json.to_owned())
}

#[test]
fn w5_hosts_of_the_api_agree_on_credentials_and_show_them() {
    within(60, || {
        let rules = "[[host]]\nname = \"pbx.example\"\nsip = { SIP, credential_user = \"any\" }\n";
        let house = House::start(rules, |setup| setup.set("admin.hosts", "\"any\""));
        let portward = &house.portward;
        eventually("it can be asked", || UnixStream::connect(portward.dir().join("portward.sock")).is_ok());
        let (code, shown) = ask(portward, "GET", "pbx.example", None);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((code, &shown["sip"]["credentials"]), (200, &"ephemeral".into()), "{shown}");
        assert_eq!(shown["sip"]["credential_user"], "any");
        let port = house.pbx.port();
        let sip = |more: Value| {
            let mut sip = json!({ "tcp": port, "tls": false });
            sip.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "target": "127.0.0.1", "sip": sip })
        };
        let (code, said) = ask(portward, "PUT", "way-around.example", Some(&sip(json!({}))));
        assert!(code == 422 && said.contains("do not agree on `credentials`"), "{code} {said}");
        let demanding = sip(json!({ "credentials": "ephemeral" }));
        let (code, said) = ask(portward, "PUT", "agrees.example", Some(&demanding));
        assert_eq!(code, 201, "{said}");
        let (_, shown) = ask(portward, "GET", "agrees.example", None);
        assert!(shown.contains("\"named\"") && !shown.contains(SECRET), "{shown}");
        // One host of the API, and another one.
        let other = |more: Value| {
            let mut host = sip(more);
            host["target"] = "127.0.0.2".into();
            host
        };
        assert_eq!(
            ask(portward, "PUT", "one.example", Some(&other(json!({ "credentials": "ephemeral" })))).0,
            201
        );
        assert_eq!(ask(portward, "PUT", "two.example", Some(&other(json!({})))).0, 422);
    });
}
