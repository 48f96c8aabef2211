//! Issue 21, item 2: paths that name a tenant, seen from outside (contract section 9): which target gets the request,
//! and the answer for an unknown or disabled tenant.

use std::net::SocketAddr;

use crate::harness::{Portward, Target, free_port, ok, within};

/// A target for the same port on each of these loopback addresses.
fn targets(addresses: [&'static str; 3]) -> (u16, [Target; 3]) {
    let port = free_port();
    let target = |address: &'static str| {
        Target::listen_at(SocketAddr::new(address.parse().unwrap(), port), None, move |conn| {
            while let Some(request) = conn.try_request() {
                let tenant = request.header("x-tenant").unwrap_or("-");
                let said = format!("{address} {} [{tenant}]", request.target());
                if conn.try_send(ok(&said)).is_err() {
                    return;
                }
            }
        })
    };
    (port, addresses.map(target))
}

#[test]
fn item_2_each_request_reaches_its_tenants_target_and_no_other() {
    within(60, || {
        let (port, targets) = targets(["127.0.0.11", "127.0.0.12", "127.0.0.13"]);
        let rules = format!(
            r#"
[tenant.XYZ]
target = "127.0.0.11"
[tenant.ABC]
target = "127.0.0.12"
[tenant.off]
enabled = false
target = "127.0.0.12"
[tenant.below]
parent = "off"

[[host]]
name = "one.example.net"
http = [
  {{ path = "/tenant/{{tenant}}", tcp = {port}, strip = true, set = {{ X-Tenant = "{{tenant}}" }}, otherwise = "127.0.0.13" }},
  {{ path = "/whole/{{tenant}}", tcp = {port} }},
]
"#
        );
        let portward = Portward::with_rules(&rules);
        let mut client = portward.plain();
        for (path, said) in [
            ("/tenant/XYZ/a?b=/tenant/ABC", "127.0.0.11 /a?b=/tenant/ABC [XYZ]"),
            ("/tenant/%41BC/a", "127.0.0.12 /a [ABC]"),
            ("/tenant/XYZ", "127.0.0.11 / [XYZ]"),
            ("/tenant/xyz/a", "127.0.0.13 /a [xyz]"),
            ("/whole/ABC/a", "127.0.0.12 /whole/ABC/a [-]"),
            ("http://one.example.net/tenant/ABC/x", "127.0.0.12 /x [ABC]"),
        ] {
            assert_eq!(client.get("one.example.net", path).text(), said, "{path}");
        }
        // All requests use one connection. These refusals are answered although others get no answer here.
        for (path, status, reason) in [
            ("/whole/nobody/a", 404, "unknown-tenant"),
            ("/tenant/off/a", 403, "disabled"),
            ("/whole/below", 403, "disabled"),
            ("/whole/XYZ;a/b", 404, "no-path"),
            ("/tenant/", 404, "no-path"),
        ] {
            let mark = portward.mark();
            assert_eq!(client.get("one.example.net", path).status(), status, "{path}");
            portward.decision_after(mark, &[path, &format!("rejected: {reason}")]);
        }
        for path in
            ["/tenant/XYZ/../ABC", "/tenant/XYZ//a", "/tenant//a", "/tenant/%2558YZ/a", "/tenant/X%00/a"]
        {
            let mark = portward.mark();
            let mut client = portward.plain();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
            assert!(client.try_head().is_none(), "{path}");
            portward.decision_after(mark, &[path.split('%').next().unwrap(), "rejected: unsafe-path"]);
        }
        assert!(targets.iter().all(|target| target.connections() > 0));
        for target in &targets {
            assert!(!target.transcript().contains("off") && !target.transcript().contains("nobody"));
        }
    });
}
