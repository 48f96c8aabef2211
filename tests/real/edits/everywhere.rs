//! Fields that rules set also apply to unusual requests and answers: trailer sections, ACME challenges.

use super::rules;
use crate::harness::{Portward, Target, within};

#[test]
fn item_4_trailers_of_an_answer_never_override_the_rules_fields() {
    within(60, || {
        let target = Target::http(|_, _| {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Frame-Options, X-Sum\r\n\r\n5\r\nhello\r\n0\r\n\
              X-Frame-Options: ALLOW\r\nx-frame-options : a\r\nX-Sum: 42\r\nLocation: /x\r\nSet-Cookie: a=b\r\nDate: now\r\n\r\n"
                .to_vec()
        });
        let portward = Portward::with_rules(&rules(target.port()));
        for (path, ruled) in [("/app/x", true), ("/x", false)] {
            let answer = portward.plain().get("one.example.net", path);
            assert_eq!(answer.text(), "hello");
            let trailers: Vec<_> = answer.trailers.iter().map(|(name, value)| (&**name, &**value)).collect();
            if ruled {
                assert_eq!(answer.all("x-frame-options"), ["DENY"]);
                assert_eq!(trailers, [("X-Sum", "42")]);
            } else {
                assert_eq!(
                    trailers,
                    [("X-Frame-Options", "ALLOW"), ("x-frame-options", "a"), ("X-Sum", "42")]
                );
            }
        }
    });
}

#[test]
fn item_2_no_client_s_copy_of_a_set_field_reaches_who_answers_challenges() {
    within(60, || {
        let target = Target::named("an application");
        let answers = Target::named("a challenge");
        let portward = Portward::rules(&rules(target.port()))
            .set("tls.acme_target", &format!("\"127.0.0.1:{}\"", answers.port()))
            .start();
        let mut client = portward.plain();
        for host in ["one.example.net", "other.example.net"] {
            for lie in ["X-Tenant: ABC", "x_tenant: ABC", "X.TENANT: ABC", "x-name: ABC", "X-Client: ABC"] {
                client.send(format!(
                    "GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: {host}\r\n{lie}\r\nX-Mine: yes\r\nConnection: {}\r\n\r\n",
                    "keep-alive, X-Tenant"
                ));
                assert_eq!(client.response().text(), "a challenge");
            }
        }
        let transcript = answers.transcript();
        assert_eq!(transcript.matches("X-Mine: yes").count(), 10, "{transcript}");
        assert!(!transcript.contains("ABC"), "{transcript}");
        target.assert_untouched("challenges are not the application's");
    });
}
