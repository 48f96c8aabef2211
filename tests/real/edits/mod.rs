//! The changes of a rule to a request and to its answer, with real applications behind Portward and real clients in
//! front (contract section 9, issue 21, items 2 and 4).

mod everywhere;

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::harness::{
    Child, Nginx, Portward, Target, TestCa, WebSocketEcho, Wire, curl, eventually, free_port, ok, program,
    web_socket, within,
};

/// Two tenants whose adapter is at `port`, and paths without a tenant.
fn rules(port: u16) -> String {
    format!(
        r#"
[tenant.XYZ]
name = "XYZ & Söhne"
target = "127.0.0.1"
[tenant.ABC]
target = "127.0.0.1"

[[host]]
name = "one.example.net"
target = "127.0.0.1"
http = [
  {{ path = "/tenant/{{tenant}}", tcp = {port}, strip = true, otherwise = "127.0.0.1",
     set = {{ X-Tenant = "{{tenant}}", X-Name = "n={{tenant.name}}", X-Client = "{{client}}" }} }},
  {{ path = "/app", tcp = {port}, strip = true, host = "target", response = {{ X-Frame-Options = "DENY" }} }},
  {{ path = "", tcp = {port} }},
]
[[host]]
name = "other.example.net"
target = "127.0.0.1"
http = [{{ path = "", tcp = {port} }}]
"#
    )
}

/// A running adapter.
fn adapter() -> (u16, Child) {
    let port = free_port();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/edits/adapter.js");
    let child = Child::start(Command::new(program("node", "nodejs")).arg(script).arg(port.to_string()));
    eventually("the adapter listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    (port, child)
}

/// The request, as the adapter saw it.
fn seen(client: &mut Wire, request: &str) -> Value {
    let answer = client.ask(request);
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

/// The lines with this field name. Like some gateways, it reads `_` and all punctuation as `-`.
fn lines(seen: &Value, key: &str, name: &str) -> Vec<String> {
    let folded = |line: &str| {
        let name = line.split(':').next().unwrap();
        name.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect::<String>()
    };
    let all = seen[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
    all.filter(|line| folded(line) == name).collect()
}

#[test]
fn item_2_no_client_s_copy_of_a_set_field_reaches_an_adapter_on_any_rule() {
    within(120, || {
        let (port, _adapter) = adapter();
        let portward = Portward::with_rules(&rules(port));
        let mut client = portward.plain();
        let lies = [
            "X-Tenant: ABC",
            "x-tenant: ABC",
            "X_Tenant: ABC",
            "x.tenant: ABC",
            "X~TENANT: ABC",
            "X-Tenant:",
            "Connection: X-Tenant\r\nX-Tenant: ABC",
            "Connection: keep-alive, x_tenant\r\nX_Tenant: ABC",
            "X-Tenant: ABC\r\nX-Tenant: ABC\r\nX_Tenant: ABC",
        ];
        for lie in lies {
            for (host, path, url, expected) in [
                ("one.example.net", "/tenant/XYZ/a?b=c", "/a?b=c", Some("X-Tenant: XYZ")),
                ("one.example.net", "/tenant/nobody/a", "/a", Some("X-Tenant: nobody")),
                ("one.example.net", "/app/a", "/a", None),
                ("one.example.net", "/elsewhere", "/elsewhere", None),
                ("other.example.net", "/tenant/XYZ", "/tenant/XYZ", None),
            ] {
                let seen = seen(
                    &mut client,
                    &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Own: 1\r\n{lie}\r\n\r\n"),
                );
                assert_eq!(seen["url"], url, "{lie}");
                let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
                assert_eq!(lines(&seen, "fields", "x-tenant"), expected, "{lie} to {host}{path}");
                assert_eq!(lines(&seen, "fields", "x-own"), ["X-Own: 1"]);
            }
        }
        let chunked = "POST /tenant/XYZ/a HTTP/1.1\r\nHost: one.example.net\r\nTransfer-Encoding: chunked\r\n\
            Trailer: X-Tenant, X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Tenant: ABC\r\nx_tenant: ABC\r\nX-Sum: 7\r\n\r\n";
        let seen = seen(&mut client, chunked);
        assert_eq!(lines(&seen, "fields", "x-tenant"), ["X-Tenant: XYZ"]);
        assert_eq!(seen["trailers"], serde_json::json!(["X-Sum: 7"]));
    });
}

#[test]
fn item_2_an_adapter_is_told_the_tenant_the_client_and_the_prefix() {
    within(60, || {
        let (port, _adapter) = adapter();
        let portward = Portward::with_rules(&rules(port));
        let mut client = portward.plain();
        let one = |path: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: one.example.net\r\nX-Forwarded-Prefix: /evil\r\n\r\n")
        };
        let seen_by = seen(&mut client, &one("/tenant/XYZ/api/v1/session?x=/tenant/XYZ"));
        assert_eq!(seen_by["url"], "/api/v1/session?x=/tenant/XYZ");
        for (name, value) in [
            ("x-name", "n=XYZ%20%26%20S%C3%B6hne"),
            ("x-client", "127.0.0.1"),
            ("x-forwarded-prefix", "/tenant/XYZ"),
            ("host", "one.example.net"),
        ] {
            assert_eq!(seen_by["read"][name], value, "{seen_by}");
        }
        for path in ["/tenant/ABC", "/tenant/ABC/", "http://one.example.net/tenant/ABC"] {
            let seen_by = seen(&mut client, &one(path));
            assert_eq!(
                (seen_by["url"].as_str(), seen_by["read"]["x-name"].as_str()),
                (Some("/"), Some("n="))
            );
            assert_eq!(seen_by["read"]["x-forwarded-prefix"], "/tenant/ABC");
        }
        let seen_by = seen(&mut client, &one("/app/x"));
        assert_eq!(seen_by["read"]["host"], format!("127.0.0.1:{port}"));
        assert_eq!(seen_by["read"]["x-forwarded-host"], "one.example.net");
        assert!(seen(&mut client, &one("/x"))["read"].get("x-forwarded-prefix").is_none());
    });
}

#[test]
fn item_2_pipelined_requests_are_each_their_own_tenant_s() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(target.port()));
        let mut client = portward.plain();
        let tenants = ["XYZ", "ABC", "XYZ", "nobody", "ABC"];
        let ask =
            |tenant: &&str| format!("GET /tenant/{tenant}/who HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        client.send(tenants.iter().map(ask).collect::<String>());
        for tenant in tenants {
            let text = client.response().text();
            assert!(text.starts_with("GET /who HTTP/1.1\n"), "{text}");
            assert_eq!(text.matches("x-tenant: ").count(), 1, "{text}");
            assert!(text.contains(&format!("x-tenant: {tenant}\n")), "{tenant}: {text}");
            assert!(text.contains(&format!("x-forwarded-prefix: /tenant/{tenant}\n")), "{text}");
        }
        assert_eq!(target.connections(), 1, "one kept connection serves them all");
    });
}

#[test]
fn item_2_a_websocket_goes_through_a_stripped_path() {
    within(60, || {
        let target = WebSocketEcho::plain();
        let portward = Portward::with_rules(&rules(target.port()));
        let (mut socket, _) =
            web_socket(portward.plain(), "one.example.net", "/tenant/XYZ/socket?a=b").unwrap();
        socket.send(Frame::text("hello")).unwrap();
        assert_eq!(socket.read().unwrap(), Frame::text("hello"));
        let head = target.transcript();
        assert!(head.starts_with("GET /socket?a=b HTTP/1.1\r\nHost: one.example.net\r\n"), "{head}");
        assert!(
            head.contains("\r\nX-Tenant: XYZ\r\n")
                && head.contains("\r\nX-Forwarded-Prefix: /tenant/XYZ\r\n"),
            "{head}"
        );
    });
}

/// Redirects of all kinds, and a cookie that the next page needs.
fn nginx_config(plain: u16, tls: u16, dir: &str) -> String {
    format!(
        r#"daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log stderr warn;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {dir}/server.crt;
        ssl_certificate_key {dir}/server.key;
        default_type text/plain;
        add_header Set-Cookie "session=of-$http_x_forwarded_prefix; Path=/";
        add_header X-Frame-Options "SAMEORIGIN" always;
        location = / {{ return 302 relative; }}
        location = /relative {{ return 302 /absolute; }}
        location = /absolute {{ return 302 http://$http_host/prefixed; }}
        location = /prefixed {{ return 302 $http_x_forwarded_prefix/end; }}
        location = /end {{ return 200 "end with $http_cookie at $http_host"; }}
        location = /elsewhere {{ return 302 http://elsewhere.example/a; }}
    }}
}}
"#
    )
}

#[test]
fn item_2_curl_follows_the_redirects_of_nginx_and_keeps_its_cookies() {
    within(120, || {
        let nginx = Nginx::with_config(&TestCa::shared().issue(&["one.example.net"]), nginx_config);
        let portward = Portward::with_rules(&rules(nginx.plain));
        let dir = TempDir::new().unwrap();
        let to = format!("one.example.net:{}:127.0.0.1:{0}", portward.http);
        let base = format!("http://one.example.net:{}", portward.http);
        let get = |jar: &str, path: &str| {
            let jar = dir.path().join(jar).to_string_lossy().into_owned();
            let url = format!("{base}{path}");
            let write = "\n%{url_effective} %{num_redirects} %{redirect_url}";
            curl(&["--connect-to", &to, "-L", "-b", &jar, "-c", &jar, "-w", write, &url]).out
        };
        for (path, prefix, host) in [
            ("/tenant/XYZ", "/tenant/XYZ", format!("one.example.net:{}", portward.http)),
            ("/tenant/ABC/", "/tenant/ABC", format!("one.example.net:{}", portward.http)),
            ("/app", "/app", format!("127.0.0.1:{}", nginx.plain)),
        ] {
            let got = get("jar", path);
            let page = format!("end with session=of-{prefix} at {host}\n{base}{prefix}/end 4 ");
            assert_eq!(got, page, "{path}");
        }
        let text = std::fs::read_to_string(dir.path().join("jar")).unwrap();
        for prefix in ["/tenant/XYZ", "/tenant/ABC", "/app"] {
            let line = format!("one.example.net\tFALSE\t{prefix}\tFALSE\t0\tsession\tof-{prefix}");
            assert!(text.contains(&line), "{line:?} in {text}");
        }
        let url = format!("{base}/tenant/XYZ/elsewhere");
        let got = curl(&["--connect-to", &to, "-o", "/dev/null", "-w", "%{redirect_url}", &url]);
        assert_eq!(got.out, "http://elsewhere.example/a");
    });
}

#[test]
fn item_2_each_address_of_a_target_is_told_its_own_name() {
    within(60, || {
        let target = Target::mirror();
        let port = target.port();
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\nhttp = [{{ path = \"\", tcp = {port}, host = \"target\", \
             target = [\"127.0.0.9\", \"127.0.0.1\"] }}]\n"
        );
        let portward = Portward::with_rules(&rules);
        let mut client = portward.plain();
        for _ in 0..3 {
            let text = client.ask("GET /a HTTP/1.1\r\nHost: one.example.net\r\n\r\n").text();
            assert!(text.contains(&format!("\nhost: 127.0.0.1:{port}\n")), "{text}");
            assert!(text.contains("\nx-forwarded-host: one.example.net\n"), "{text}");
        }
        assert_eq!(target.connections(), 1, "a kept connection is told so as well");
    });
}

#[test]
fn item_4_fields_of_answers_stand_in_every_final_answer() {
    within(60, || {
        let target = Target::http(|request, _| {
            match request.target() {
            "/304" => b"HTTP/1.1 304 Not Modified\r\nx-frame-options: ALLOW\r\nContent-Location: /304\r\n\r\n".to_vec(),
            "/100" => [b"HTTP/1.1 103 Early Hints\r\nX-Frame-Options: ALLOW\r\n\r\n".as_slice(), &ok("late")].concat(),
            _ if request.method() == "HEAD" => {
                b"HTTP/1.1 302 Found\r\nLocation: /x\r\nX-FRAME-OPTIONS: a\r\nX-Frame-Options: b\r\nContent-Length: 9\r\n\r\n".to_vec()
            }
            _ => ok("ok"),
        }
        });
        let free = free_port();
        let more = format!(
            "[[host]]\nname = \"down.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [\n\
             {{ path = \"/tls\", tls = {free}, redirect = \"https\", response = {{ X-A = \"b\" }} }},\n\
             {{ path = \"\", tcp = {free}, response = {{ X-A = \"b\"}} }} ]\n"
        );
        let portward = Portward::with_rules(&(rules(target.port()) + &more));
        let mut client = portward.plain();
        let mut ask = |method: &str, host: &str, path: &str| {
            client.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            client.response_to(method)
        };
        let head = ask("HEAD", "one.example.net", "/app/x");
        assert_eq!((head.status(), head.header("location")), (302, Some("/app/x")), "{head:?}");
        assert_eq!(head.all("x-frame-options"), ["DENY"]);
        let unchanged = ask("GET", "one.example.net", "/app/304");
        assert_eq!((unchanged.status(), unchanged.header("content-location")), (304, Some("/app/304")));
        assert_eq!(unchanged.all("x-frame-options"), ["DENY"]);
        client.send("GET /app/100 HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        let early = client.head();
        assert_eq!((early.status(), early.all("x-frame-options")), (103, vec!["ALLOW"]));
        assert_eq!(client.response().all("x-frame-options"), ["DENY"]);
        for (path, status) in [("/x", 502), ("/tls/x", 308)] {
            let own = portward.plain().ask(format!("GET {path} HTTP/1.1\r\nHost: down.example.net\r\n\r\n"));
            assert_eq!((own.status(), own.all("x-a")), (status, vec!["b"]), "{own:?}");
        }
    });
}
