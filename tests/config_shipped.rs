//! The shipped files have no faults. The examples in the documentation are accepted and have the stated meaning.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portward::config::{
    self, Admin, AdminHosts, CertificateSource, Config, Listener, LogFormat, Reject, Severity, TlsVersion,
    TokenFor, Trust,
};
use portward::credentials::Secret;
use portward::rules::name::normalise;
use portward::rules::path::request_path;
use portward::rules::{
    Address, CheckedPorts, Host, OnFailedCheck, ProxyVersion, Reuse, ServiceRule, Table, Verify,
};
use portward::service::{Service, ServiceSet, Transport};

const EXAMPLE: &str = "tests/fixtures/spec-example/portward.toml";

fn table(path: &str) -> Table {
    let mut config = Config::defaults(Path::new("portward.toml"));
    // An exchange needs a secret.
    config.sip.secrets = [Secret::new(b"a secret")].into();
    let rules = config::load_rules(Path::new(path), &config);
    assert_eq!(rules.diagnostics.render(false), "", "{path}");
    rules.table.expect("no error, so a table")
}

fn host<'t>(table: &'t Table, name: &str) -> Host<'t> {
    table.host(&normalise(name).expect("a name")).expect("the host is there")
}

/// Where a request for `path` goes, as `address:plain/tls`.
fn http(host: Host<'_>, path: &str) -> String {
    let mut buffer = Vec::new();
    let path = request_path(path.as_bytes(), &mut buffer).expect("a safe path");
    let Ok(found) = host.http(&path) else { return "nowhere".to_owned() };
    target(found.endpoints, found.ports.tcp, found.ports.tls)
}

fn target(
    endpoints: &[portward::rules::Endpoint],
    tcp: Option<NonZeroU16>,
    tls: Option<NonZeroU16>,
) -> String {
    let addresses: Vec<String> = endpoints
        .iter()
        .map(|endpoint| match &endpoint.address {
            Address::Ip(ip) => ip.to_string(),
            Address::Name(name) => name.to_string(),
        })
        .collect();
    let port = |port: Option<NonZeroU16>| port.map_or("-".to_owned(), |port| port.to_string());
    format!("{}:{}/{}", addresses.join(","), port(tcp), port(tls))
}

fn checked(rule: &ServiceRule) -> String {
    match rule.ports {
        CheckedPorts::Checked { on_failed, .. } => format!("{} {on_failed:?}", target_of(rule)),
        CheckedPorts::Unchecked(_) => format!("{} unchecked", target_of(rule)),
    }
}

fn target_of(rule: &ServiceRule) -> String {
    let ports = rule.ports.ports();
    target(&rule.endpoints, ports.tcp, ports.tls)
}

#[test]
fn every_shipped_file_is_clean() {
    table("rules/examples");
    let shipped = config::check(Path::new("portward.toml"));
    assert_eq!(shipped.diagnostics.render(false), "");
    assert!(shipped.config.is_some());
    // A site's own presets may not have the shipped names. A copy under other names must have no faults.
    let folder = tempfile::tempdir().expect("a folder");
    let presets = folder.path().join("presets");
    std::fs::create_dir(&presets).expect("a folder");
    let mut names = Vec::new();
    for entry in std::fs::read_dir("rules/presets").expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        let name = format!("copy-of-{}", path.file_stem().expect("a name").to_string_lossy());
        std::fs::copy(&path, presets.join(format!("{name}.toml"))).expect("a copy");
        names.push(format!("{name:?}"));
    }
    let text =
        format!("[[host]]\nname = \"a.b\"\ntarget = \"172.31.31.2\"\npreset = [{}]\n", names.join(", "));
    std::fs::write(folder.path().join("a.toml"), text).expect("a file");
    table(&folder.path().to_string_lossy());
}

/// What users need is reached at the PBX's own ports, and what administers the PBX is not reached at all.
#[test]
fn item_5_presets_of_other_pbxs_leave_their_administration_inside() {
    for (preset, served, inside) in [
        (
            "asterisk",
            &[("/ws", "8088/8089")][..],
            &[
                "/",
                "/ari/channels",
                "/manager",
                "/rawman",
                "/mxml",
                "/amanager",
                "/httpstatus",
                "/static/a",
                "/media/x",
                "/phoneprov/a.cfg",
            ][..],
        ),
        (
            "asterisk-phoneprov",
            &[("/phoneprov/000000000000.cfg", "8088/8089")],
            &["/", "/ws", "/ari", "/manager"],
        ),
        ("freeswitch", &[("/ws", "5066/7443")], &["/", "/verto", "/RPC2", "/api/status"]),
        ("freeswitch-verto", &[("/verto", "8081/8082")], &["/", "/ws", "/RPC2", "/webapi/status"]),
        (
            "3cx",
            &[
                ("/webclient/api/Login/GetAccessToken", "-/443"),
                ("/ws/webclient", "-/443"),
                ("/MyPhone/MPWebService.asmx", "-/443"),
                ("/connect/token", "-/443"),
            ],
            &[
                "/",
                "/xapi/v1/Users",
                "/callcontrol/100",
                "/provisioning/x/y.xml",
                "/ws/other",
                "/connect/authorize",
            ],
        ),
        ("3cx-provisioning", &[("/provisioning/x/y.xml", "-/443")], &["/", "/webclient", "/xapi/v1/Users"]),
        ("kamailio", &[("/ws", "80/443")], &["/", "/RPC", "/xhttp_pi", "/xcap-root/a"]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("[[host]]\nname = \"a.b\"\ntarget = \"172.31.31.2\"\npreset = [{preset:?}]\n");
        std::fs::write(folder.path().join("a.toml"), text).expect("a file");
        let table = table(&folder.path().to_string_lossy());
        let host = host(&table, "a.b");
        for (path, ports) in served {
            assert_eq!(http(host, path), format!("172.31.31.2:{ports}"), "{preset} {path}");
        }
        for path in inside {
            assert_eq!(http(host, path), "nowhere", "{preset} {path}");
        }
        // Passwords go by TLS only.
        let has_passwords =
            ["asterisk-phoneprov", "freeswitch-verto", "3cx", "3cx-provisioning"].contains(&preset);
        for (path, _) in served {
            let mut buffer = Vec::new();
            let path = request_path(path.as_bytes(), &mut buffer).expect("a safe path");
            let rule = host.http(&path).expect("it is served");
            assert_eq!(rule.redirect_https, has_passwords, "{preset}");
        }
    }
}

#[test]
fn the_reference_network_is_complete() {
    let table = table("rules/examples/dvl-ckl2.net.toml");
    assert_eq!(table.len(), 6);
    let apps = host(&table, "apps.dvl-ckl2.net");
    assert!(!apps.serves(Service::Sip) && !apps.serves(Service::H323));
    assert_eq!(apps.rule(Service::Ldap).map(target_of).as_deref(), Some("172.31.31.12:389/636"));
    assert_eq!(http(apps, "/dvl-ckl2.net/usersapp/picture"), "172.31.31.12:80/443");
    assert_eq!(http(apps, "/"), "172.31.31.12:80/443");

    for (name, pbx, oauth2) in [
        ("branch-b.dvl-ckl2.net", "172.31.31.3", "172.31.31.3"),
        ("hq.dvl-ckl2.net", "172.31.31.2", "172.31.31.3"),
    ] {
        let host = host(&table, name);
        assert!(!host.serves(Service::Sip) && !host.serves(Service::H323));
        assert_eq!(host.rule(Service::Ldap).map(target_of), Some(format!("{pbx}:389/636")));
        for path in [
            "/PBX0/APPCLIENT/appclient.htm",
            "/PBX0/APPCLIENT/137758/websocket",
            "/PBX0/APPS/app_manager/137758/websocket",
            "/PBX0/session",
            "/PBX0/user.soap",
            "/PBX0/ADMIN",
            "/PBX0/MY",
            "/PBX0/DEVICES",
            "/PBX0/WEBSOCKET",
        ] {
            assert_eq!(http(host, path), format!("{pbx}:80/443"), "{name}{path}");
        }
        assert_eq!(http(host, "/OAUTH2/oauth2_login"), format!("{oauth2}:80/443"));
        assert_eq!(http(host, "/"), "nowhere");
        assert_eq!(http(host, "/PBX0/"), "nowhere");
    }

    for (name, pbx, has_ldap) in [
        ("dvl-ckl2.net", "172.31.31.2", true),
        ("dvl-ckl2.net/branch-b", "172.31.31.3", false),
        ("dvl-ckl2.net/hq", "172.31.31.2", false),
    ] {
        let host = host(&table, name);
        assert!(!host.serves(Service::Http));
        assert_eq!(host.serves(Service::Ldap), has_ldap);
        let sip = host.rule(Service::Sip).map(checked);
        assert_eq!(sip, Some(format!("{pbx}:5060/5061 Plain")));
        let h323 = host.rule(Service::H323).map(checked);
        assert_eq!(h323, Some(format!("{pbx}:1720/1300 Plain")));
    }
}

#[test]
fn the_documented_configuration_means_what_it_says() {
    let loaded = config::load(Path::new(EXAMPLE));
    let only_warnings = loaded.diagnostics.list().iter().all(|d| d.severity == Severity::Warning);
    assert!(only_warnings, "{}", loaded.diagnostics.render(false));
    assert!(loaded.diagnostics.list().iter().all(|d| d.message.contains("is not served by this version")));
    let config = loaded.config.expect("no error");

    // Except in [listen] the example shows the defaults.
    let defaults = Config::defaults(Path::new(EXAMPLE));
    assert!(defaults.listen.listeners.is_empty());
    assert_eq!(Config { listen: defaults.listen.clone(), ..config.clone() }, defaults);

    let beside = |path: &str| PathBuf::from("tests/fixtures/spec-example").join(path);
    assert_eq!(config.rules, beside("rules"));
    assert_eq!(config.state, PathBuf::from("/var/lib/portward"));
    assert_eq!(config.reject, Reject::Close);
    let ports = [90, 453, 5070, 5071, 399, 646, 1730, 1310];
    let expected: Vec<Listener> = Service::by_transport()
        .zip(ports)
        .flat_map(|((service, transport), port)| {
            ["0.0.0.0", "::"].map(|ip| Listener {
                service,
                transport,
                address: SocketAddr::new(ip.parse().expect("an address"), port),
            })
        })
        .collect();
    assert_eq!(config.listen.listeners, expected);
    assert_eq!(config.outside.port(Service::H323, Transport::Tls), 1300);
    assert_eq!(config.outside.address, "");
    assert_eq!(config.tls.certificates, CertificateSource::Folder(beside("certs/server")));
    assert_eq!(config.tls.client_trust, beside("certs/client-trust"));
    assert_eq!(config.tls.min_version, TlsVersion::V1_2);
    assert_eq!(config.upstream.certificate, None);
    assert_eq!(config.upstream.trust, Trust::Path(beside("certs/upstream-trust")));
    assert_eq!(config.upstream.verify, Verify::Ca);
    assert_eq!(config.upstream.connect_timeout, Duration::from_secs(5));
    assert_eq!(config.sip.public_address_tls, None);
    assert_eq!(config.sip.methods, ["REGISTER".into(), "INVITE".into()] as [Box<str>; 2]);
    assert_eq!(config.default_hosts.ldap, None);
    assert!(!config.ldap_root_dse);
    assert_eq!(config.guard.expiration, Some(Duration::from_secs(300)));
    assert_eq!(config.limits.idle_timeout.services.ldap, Duration::from_secs(900));
    assert_eq!(config.guard.connections.max_undecided_per_address, 50);
    assert_eq!((config.guard.connections.reserved, config.limits.min_rate), (1000, 500));
    assert_eq!(config.log.rejected, ServiceSet::ALL);
    assert_eq!(config.log.ended, ServiceSet::default());
    assert_eq!(config.log.format, LogFormat::Text);
    let Admin { listen, names, certificate, token, hosts, decisions, .. } = config.admin;
    assert_eq!((listen, names.len(), certificate, decisions), (None, 0, None, true));
    assert_eq!((token, hosts), (TokenFor::Always, AdminHosts::Safe));
}

#[test]
fn the_documented_rules_mean_what_they_say() {
    let table = table("tests/fixtures/spec-example/rules");
    let branch = host(&table, "branch-b.dvl-ckl2.net");
    assert_eq!(http(branch, "/PBX0/user.soap"), "172.31.31.3:80/443");
    assert_eq!(http(branch, "/PBX0/APPS/x"), "172.31.31.3:80/443");
    assert_eq!(http(branch, "/OAUTH2/oauth2_login"), "172.31.31.12:80/443");
    assert_eq!(http(branch, "/"), "172.31.31.3:80/443");
    let redirects: Vec<bool> = branch.http_rules().map(|rule| rule.redirect_https).collect();
    assert_eq!(redirects.iter().filter(|redirect| **redirect).count(), 1);

    let location = host(&table, "dvl-ckl2.net/branch-b");
    let sip = location.rule(Service::Sip).expect("sip is there");
    assert_eq!(checked(sip), "172.31.31.3:5060/5061 Plain");
    let CheckedPorts::Checked { on_failed, .. } = sip.ports else { panic!("checked") };
    assert_eq!(on_failed, OnFailedCheck::Plain);
    let options = &sip.endpoints[0].options;
    assert_eq!(options.server_name.as_deref(), Some("branch-b.dvl-ckl2.net"));
    assert_eq!(options.pin.map(|pin| (pin[0], pin[1], pin[31])), Some((0x00, 0x11, 0xff)));
    assert_eq!(options.verify, Some(Verify::Ca));
    assert_eq!((options.reuse, options.proxy_protocol), (Reuse::Shared, None));
    assert!(!options.present_certificate && !options.lacks_assume_tls);
    assert!(options.check.is_some());
    assert_eq!((options.max_message, options.min_rate), (Some(16 * 1024), Some(0)));
}

#[test]
fn names_of_every_kind_and_every_way_to_write_a_rule() {
    let table = table("tests/fixtures/kinds");
    assert_eq!(http(host(&table, "x.example.net"), "/a"), "172.31.31.2:80/443");
    assert_eq!(http(host(&table, "bücher.example"), "/a"), "pbx.example.net,2001:db8::1,172.31.31.2:8080/-");
    assert_eq!(
        http(host(&table, "xn--bcher-kva.example"), "/b"),
        "pbx.example.net,2001:db8::1,172.31.31.2:-/8443"
    );
    assert_eq!(http(host(&table, "[2001:DB8:0::7]"), "/a"), "172.31.31.2:80/-");
    assert_eq!(http(host(&table, "192.0.2.7"), "/a"), "172.31.31.2:-/443");
    let alias = host(&table, "another.example");
    assert_eq!(alias.name(), "xn--bcher-kva.example");
    assert!(!alias.enabled());
    let sip = alias.rule(Service::Sip).expect("sip is there");
    assert!(sip.rewrite_transport);
    assert_eq!(checked(sip), "172.31.31.5:5060/5061 Reject");
    assert_eq!(checked(alias.rule(Service::H323).expect("h323 is there")), "172.31.31.6:1720/- unchecked");
    assert_eq!(target_of(alias.rule(Service::Ldap).expect("ldap is there")), "172.31.31.6:-/636");
    assert!(alias.client_trust().is_some_and(|path| path.ends_with("trust")));
    let options = table.endpoints().flat_map(|list| list.iter()).find(|e| e.options.reuse == Reuse::Client);
    let options = &options.expect("one target is not shared").options;
    assert_eq!(options.proxy_protocol, Some(ProxyVersion::V2));
    assert!(options.present_certificate);
}
