//! The command line (contract section 8).

use std::fs;
use std::path::Path;

use crate::harness::{Output, Portward, Target, command, within};

fn portward(dir: &Path, args: &[&str]) -> Output {
    command(60, dir, args)
}

#[test]
fn it_says_its_version_and_how_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let version = portward(dir.path(), &["--version"]);
    assert_eq!(
        (version.code, version.out.trim()),
        (0, concat!("portward ", env!("CARGO_PKG_VERSION"))),
        "{version:?}"
    );
    let help = portward(dir.path(), &["--help"]);
    assert_eq!(help.code, 0, "{help:?}");
    for word in ["run", "demo", "check", "explain", "cert", "completions"] {
        assert!(help.out.contains(&format!("\n  {word} ")), "{word} in {help:?}");
        let own = portward(dir.path(), &[word, "--help"]);
        assert_eq!(own.code, 0, "{own:?}");
        assert!(own.out.contains("Usage: portward "), "{own:?}");
    }
    for wrong in [&["nonsense"][..], &["run", "--nonsense"], &["explain"], &["completions", "nonsense"], &[]]
    {
        let output = portward(dir.path(), wrong);
        assert_eq!(output.code, 2, "{wrong:?}: {output:?}");
        assert!(output.out.is_empty(), "{wrong:?}: {output:?}");
    }
}

#[test]
fn completions_for_every_shell() {
    let dir = tempfile::tempdir().unwrap();
    for (shell, mark) in
        [("bash", "complete "), ("zsh", "#compdef portward"), ("fish", "complete -c portward")]
    {
        let output = portward(dir.path(), &["completions", shell]);
        assert_eq!(output.code, 0, "{output:?}");
        assert!(output.out.contains(mark) && output.out.contains("explain"), "{shell}: {output:?}");
    }
    // bash accepts the script.
    let script = portward(dir.path(), &["completions", "bash"]).out;
    let file = dir.path().join("portward.bash");
    fs::write(&file, script).unwrap();
    let bash = std::process::Command::new("bash").arg("-n").arg(&file).output().unwrap();
    assert!(bash.status.success(), "{bash:?}");
}

#[test]
fn without_a_configuration_it_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    for args in
        [&["run", "--config", "nowhere/portward.toml"][..], &["check", "--config", "nowhere/portward.toml"]]
    {
        let output = portward(dir.path(), args);
        assert_eq!(output.code, 1, "{output:?}");
        assert!(output.errors.contains("nowhere/portward.toml"), "{output:?}");
        assert!(!output.errors.contains("panicked"), "{output:?}");
    }
    let output = portward(dir.path(), &["run", "--config", "nowhere/portward.toml"]);
    assert!(output.errors.contains("demo") || output.errors.contains("--config"), "what to do: {output:?}");
}

#[test]
fn check_is_clean_or_points_at_the_characters() {
    let good = "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [\"/PBX0/\"]\n";
    let setup = Portward::rules(good);
    let config = setup.write();
    let config = config.to_str().unwrap();
    let check = || portward(setup.dir(), &["check", "--config", config]);
    let output = check();
    assert_eq!(output.code, 0, "{output:?}");

    let rules = setup.dir().join("rules/test.toml");
    // (the rules, and the line and column of each error)
    let cases: [(&str, &[(usize, usize)]); 10] = [
        ("[[host]]\nname = \"a.net\"\ntarget = \"127.0.0.1\"\ncolour = 1\n", &[(4, 1)]),
        ("[[host]]\nname = 5\ntarget = \"127.0.0.1\"\n", &[(2, 8)]),
        ("[[host]]\nname = \"a.net\"\ntarget = \"300.1.1.1:x\"\nhttp = [\"/\"]\n", &[(3, 10)]),
        ("[[host]]\nname = \"a.net\"\n\n[[host]]\nname = \"b.net\"\naliases = [\"A.net\"]\n", &[(6, 12)]),
        (
            "[[host]]\nname = \"a.net\"\ntarget = \"127.0.0.1\"\nhttp = [{ path = \"/\", tcp = 70000 }]\n",
            &[(4, 29)],
        ),
        ("[[host]]\nname = \"a.net\"\ntarget = \"127.0.0.1\"\npreset = [\"nonsense\"]\n", &[(4, 11)]),
        ("[[host]]\nname = \"a.net\"\nhttp = [\"/\"]\n", &[(3, 9)]),
        ("[[host]]\nname = \"a.net\n", &[(2, 14)]),
        ("[[host]]\nname = \"a.net\"\ntarget = \"127.0.0.1\"\nhttp = [\"/\", \"/a/../b\"]\n", &[(4, 14)]),
        (
            "[[host]]\nname = \"a.net\"\ntarget = \"127.0.0.1\"\ncolour = 1\nhttp = [\"/\"]\n[[host]]\nname = 5\n",
            &[(4, 1), (7, 8)],
        ),
    ];
    for (text, places) in cases {
        fs::write(&rules, text).unwrap();
        let output = check();
        assert_eq!(output.code, 1, "{text}: {output:?}");
        for (line, column) in places {
            // The underline may or may not include the quotes of a text.
            let place = format!("test.toml:{line}:{column}");
            let inside = format!("test.toml:{line}:{}", column + 1);
            let all = output.all();
            assert!(all.contains(&place) || all.contains(&inside), "{place} for\n{text}\n{all}");
        }
    }
    // The same for portward.toml, two errors at once.
    fs::write(&rules, good).unwrap();
    let text = fs::read_to_string(config).unwrap();
    let lines = text.lines().count();
    fs::write(config, format!("{text}limits.inspect_timeout = \"soon\"\nnonsense.key = 1\n")).unwrap();
    let output = check();
    assert_eq!(output.code, 1, "{output:?}");
    for place in [format!("portward.toml:{}:27", lines + 1), format!("portward.toml:{}:", lines + 2)] {
        assert!(output.all().contains(&place), "{place}: {}", output.all());
    }
}

/// The daemon does exactly what `explain` says.
#[test]
fn explain_agrees_with_the_daemon() {
    within(120, || {
        let target = Target::named("here");
        let port = target.port();
        let rules = format!(
            r#"[[host]]
name = "hq.example.net"
target = "127.0.0.1"
http = [
  {{ path = "/PBX0/APPS", tcp = {port} }},
  {{ path = "/PBX0/APPCLIENT/", tcp = {port} }},
  {{ path = "/PBX0/APPS/deep", tcp = {port} }},
  {{ default = true, tcp = {port} }},
]

[[host]]
name = "*.branch.example.net"
aliases = ["all.example.net"]
http = [{{ path = "", target = "127.0.0.1", tcp = {port} }}]

[[host]]
name = "off.example.net"
enabled = false
http = [{{ path = "", target = "127.0.0.1", tcp = {port} }}]

[[host]]
name = "phones.example.net"
ldap = {{ target = "127.0.0.1", tcp = 389 }}
"#
        );
        let daemon = Portward::with_rules(&rules);
        let config = daemon.config();
        for (host, path, verdict) in [
            ("hq.example.net", "/PBX0/APPS/x", Ok(5)),
            ("hq.example.net", "/PBX0/APPS/deep/x?q=1", Ok(7)),
            ("hq.example.net", "/PBX0/APPCLIENT/x", Ok(6)),
            ("hq.example.net", "/PBX0/APPCLIENT/x/y", Err("no-path")),
            ("hq.example.net", "/", Ok(8)),
            ("hq.example.net", "/PBX0/x", Err("no-path")),
            ("HQ.example.net", "/PBX0/APPS", Ok(5)),
            ("hq.example.net", "/pbx0/apps", Err("no-path")),
            ("hq.example.net", "/PBX0/APPS/../ADMIN", Err("unsafe-path")),
            ("hq.example.net", "/PBX0/APPS/%2e%2e/ADMIN", Err("unsafe-path")),
            ("hq.example.net", "/PBX0/APPS%2fx", Err("unsafe-path")),
            ("a.branch.example.net", "/x", Ok(14)),
            ("all.example.net", "/%2f", Ok(14)),
            ("a.b.branch.example.net", "/x", Err("unknown-host")),
            ("branch.example.net", "/x", Err("unknown-host")),
            ("off.example.net", "/x", Err("disabled")),
            ("phones.example.net", "/x", Err("no-service")),
            ("203.0.113.9", "/boaform/admin", Err("unknown-host")),
            ("hq.example.net", "/PBX0/APPS/a b", Err("malformed")),
            ("203.0.0113.9", "/boaform/admin", Err("malformed")),
        ] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{host}{path}");
                let said = portward(daemon.dir(), &["explain", "--config", config.to_str().unwrap(), &url]);
                let mark = daemon.mark();
                let mut client =
                    if scheme == "https" { daemon.tls("hq.example.net") } else { daemon.plain() };
                client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
                let answer = String::from_utf8_lossy(&client.rest()).into_owned();
                let line = daemon.decision_after(mark, &[&format!(" {scheme}://")]);
                match verdict {
                    Ok(number) => {
                        assert_eq!(said.code, 0, "{url}: {said:?}");
                        assert!(
                            said.out.contains(&format!("test.toml:{number}")),
                            "{url}: line {number} in {said:?}"
                        );
                        assert!(said.out.contains(&format!("127.0.0.1:{port}")), "{url}: {said:?}");
                        assert!(answer.ends_with("here"), "{url}: {answer}");
                        assert!(line.contains(&format!("-> 127.0.0.1:{port}")), "{url}: {line}");
                    }
                    Err(reason) => {
                        assert_eq!(said.code, 1, "{url}: {said:?}");
                        assert!(said.all().contains(reason), "{url}: {said:?}");
                        assert!(!answer.contains("here"), "{url}: {answer}");
                        assert!(line.ends_with(&format!("rejected: {reason}")), "{url}: {line}");
                    }
                }
            }
        }
        let json = portward(
            daemon.dir(),
            &[
                "explain",
                "--json",
                "--config",
                config.to_str().unwrap(),
                "https://hq.example.net/PBX0/APPS/x",
            ],
        );
        assert_eq!(json.code, 0, "{json:?}");
        let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert!(json.to_string().contains(&format!("127.0.0.1:{port}")), "{json}");
    });
}

/// The domain of the bind decides, not the host of the URL. The latter is where a client connects to.
#[test]
fn explain_reads_a_bind_as_the_daemon_does() {
    within(60, || {
        let target = crate::harness::Target::recorder();
        let rules = format!(
            "[[host]]\nname = \"dvl-ckl2.net\"\ntarget = \"127.0.0.1\"\nldap = {{ tcp = {}, tls = false }}\n\
             [[host]]\nname = \"web.example\"\ntarget = \"127.0.0.1\"\nhttp = [\"/\"]\n",
            target.port()
        );
        let daemon = Portward::rules(&rules).listen("ldap").start();
        let config = daemon.config();
        for (bind, verdict) in [
            (r"dvl-ckl2.net\contacts", Ok("test.toml:4")),
            ("contacts@DVL-CKL2.net", Ok("test.toml:4")),
            ("cn=a, dc=dvl-ckl2, dc=net", Ok("test.toml:4")),
            (r"cn=a\,dc=evil,DC=dvl\2dckl2,DC=net", Ok("test.toml:4")),
            ("contacts@elsewhere.example", Err("unknown-host")),
            ("contacts@web.example", Err("no-service")),
            ("contacts", Err("no-name")),
            ("cn=a;dc=dvl-ckl2,dc=net", Ok("test.toml:4")),
            (r"dvl-ckl2.net\a@web.example", Err("malformed")),
        ] {
            let url = "ldap://directory.example.net";
            let said = portward(
                daemon.dir(),
                &["explain", "--config", config.to_str().unwrap(), url, "--bind", bind],
            );
            let mark = daemon.mark();
            let mut client = crate::harness::Wire::plain(daemon.port("ldap"));
            client.send(crate::harness::directory::bind(1, bind, "password"));
            let line = daemon.decision_after(mark, &[" BIND "]);
            match verdict {
                Ok(place) => {
                    assert!(said.code == 0 && said.out.contains(place), "{bind}: {said:?}");
                    assert!(said.out.contains(&format!("127.0.0.1:{}", target.port())), "{bind}: {said:?}");
                    assert!(
                        line.ends_with(&format!("-> 127.0.0.1:{}(new)", target.port())),
                        "{bind}: {line}"
                    );
                }
                Err(reason) => {
                    assert!(said.code == 1 && said.all().contains(reason), "{bind}: {said:?}");
                    assert!(line.ends_with(&format!("rejected: {reason}")), "{bind}: {line}");
                }
            }
        }
    });
}

#[test]
fn the_demo_walks_through_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(120, dir.path(), &["demo", "--once"]);
    assert_eq!(output.code, 0, "{output:?}");
    let all = output.all();
    for part in [
        "REVERSE-PROXY ",
        " http://",
        " https://",
        " ldaps://",
        "-> 127.",
        "rejected: unknown-host",
        "rejected: no-path",
    ] {
        assert!(all.contains(part), "{part} in\n{all}");
    }
}

/// Development certificates from `cert dev` serve curl, which verifies them.
#[test]
fn development_certificates_serve_curl() {
    within(120, || {
        let target = Target::named("here");
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\naliases = [\"two.example.org\"]\ntarget = \"127.0.0.1\"\n\
             http = [{{ path = \"\", tcp = {} }}]\n",
            target.port()
        );
        let setup = Portward::rules(&rules);
        let config = setup.write();
        // The harness's own certificates are removed. These are the command's.
        fs::remove_dir_all(setup.dir().join("certs")).unwrap();
        let made = portward(
            setup.dir(),
            &[
                "cert",
                "dev",
                "--config",
                config.to_str().unwrap(),
                "--out",
                setup.dir().join("made").to_str().unwrap(),
            ],
        );
        assert_eq!(made.code, 0, "{made:?}");
        let files = walk(&setup.dir().join("made"));
        let server =
            files.iter().find(|file| file.ends_with("/server/dev.crt") || file.contains("/server/")).cloned();
        let server = server.unwrap_or_else(|| panic!("no server certificate in {files:?}: {made:?}"));
        let ca = files.iter().find(|file| file.ends_with("dev-ca.crt")).cloned();
        let ca = ca.unwrap_or_else(|| panic!("no CA in {files:?}: {made:?}"));
        let folder = Path::new(&server).parent().unwrap().to_str().unwrap().to_owned();
        let daemon = setup.set("tls.certificates", &format!("{folder:?}")).start();
        for name in ["one.example.net", "two.example.org"] {
            let resolve = format!("{name}:{}:127.0.0.1", daemon.https);
            let url = format!("https://{name}:{}/", daemon.https);
            let seen = crate::harness::curl(&["--resolve", &resolve, "--cacert", &ca, &url]);
            assert_eq!((seen.code, seen.out.as_str()), (0, "here"), "{seen:?}");
        }
        let list = portward(daemon.dir(), &["cert", "list", "--config", daemon.config().to_str().unwrap()]);
        assert_eq!(list.code, 0, "{list:?}");
        assert!(list.out.contains("one.example.net"), "{list:?}");
    });
}

fn walk(dir: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    files
}
