//! A real OpenLDAP server as a PBX's directory, and OpenLDAP's tools as its users.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Child, TestCa, eventually, free_port, program};

/// The password of all users.
pub const PASSWORD: &str = "s3cret-of-all";

/// A running slapd with two databases.
pub struct Slapd {
    /// Its plain port, which offers StartTLS.
    pub plain: u16,
    /// Its TLS port.
    pub tls: u16,
    // It ends before its folder is removed.
    child: Child,
    _dir: TempDir,
}

impl Slapd {
    /// Stops the process. Its port still accepts connections and octets, but nothing is answered.
    pub fn hang(&self) {
        self.child.signal(Signal::STOP);
    }

    /// Lets it continue.
    pub fn go_on(&self) {
        self.child.signal(Signal::CONT);
    }

    /// Starts one for `suffix` (such as `dc=example,dc=net`), with `cn=contacts` and `people` persons `uid=user1` and so on. A
    /// second database `o=extern`, which is in no domain, has `uid=guest`. The suffix has `name` as its `description`.
    pub fn start(name: &str, suffix: &str, people: usize) -> Self {
        let (slapd, slapadd) = (program("slapd", "slapd"), program("slapadd", "slapd"));
        let dir = TempDir::new().unwrap();
        TestCa::shared().issue(&["127.0.0.1"]).write(dir.path(), "server");
        TestCa::shared().write(&dir.path().join("ca.crt"));
        for database in ["main", "extern"] {
            fs::create_dir(dir.path().join(database)).unwrap();
        }
        let file = dir.path().join("slapd.conf");
        fs::write(&file, config(suffix, dir.path())).unwrap();
        for (number, suffix, entries) in
            [(1, suffix, content(name, suffix, people)), (2, "o=extern", guest())]
        {
            let ldif = dir.path().join("content.ldif");
            fs::write(&ldif, entries).unwrap();
            let output = Command::new(&slapadd)
                .args(["-q", "-n", &number.to_string(), "-f"])
                .arg(&file)
                .arg("-l")
                .arg(&ldif)
                .output()
                .unwrap();
            assert!(output.status.success(), "{suffix}: {}", String::from_utf8_lossy(&output.stderr));
        }
        for _ in 0..5 {
            let (plain, tls) = (free_port(), free_port());
            let urls = format!("ldap://127.0.0.1:{plain}/ ldaps://127.0.0.1:{tls}/");
            let mut child = Child::start(
                Command::new(&slapd).args(["-d", "0", "-h", &urls, "-f"]).arg(&file).env("HOME", dir.path()),
            );
            let mut ended = None;
            eventually("slapd listens", || {
                ended = child.ended();
                ended.is_some()
                    || [plain, tls].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
            });
            if ended.is_none() {
                return Self { plain, tls, _dir: dir, child };
            }
        }
        panic!("no free port for slapd");
    }
}

/// One process, in the foreground, with every file in `dir`.
fn config(suffix: &str, dir: &Path) -> String {
    let dir = dir.display();
    let database = |suffix: &str, folder: &str| {
        format!("database mdb\nsuffix \"{suffix}\"\ndirectory {dir}/{folder}\nmaxsize 67108864\ndbnosync\n")
    };
    format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         pidfile {dir}/slapd.pid\nargsfile {dir}/slapd.args\nsizelimit unlimited\nthreads 4\n\
         sockbuf_max_incoming 16777216\nallow bind_v2\n\
         TLSCACertificateFile {dir}/ca.crt\nTLSCertificateFile {dir}/server.crt\n\
         TLSCertificateKeyFile {dir}/server.key\nTLSVerifyClient never\n{}{}",
        database(suffix, "main"),
        database("o=extern", "extern"),
    )
}

fn content(name: &str, suffix: &str, people: usize) -> String {
    let label = suffix.split(['=', ',']).nth(1).unwrap();
    let mut ldif = format!(
        "dn: {suffix}\nobjectClass: dcObject\nobjectClass: organization\ndc: {label}\no: {name}\n\
         description: {name}\n\n\
         dn: cn=contacts,{suffix}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n\
         cn: contacts\nuserPassword: {PASSWORD}\n\n\
         dn: ou=people,{suffix}\nobjectClass: organizationalUnit\nou: people\n\n"
    );
    for number in 1..=people {
        let _ = write!(
            ldif,
            "dn: uid=user{number},ou=people,{suffix}\nobjectClass: inetOrgPerson\nuid: user{number}\n\
             cn: Person Number {number}\nsn: Number {number}\ntelephoneNumber: +49 7031 73009 {number}\n\
             mail: user{number}@{name}.example\nuserPassword: {PASSWORD}\n\n"
        );
    }
    ldif
}

fn guest() -> String {
    format!(
        "dn: o=extern\nobjectClass: organization\no: extern\n\n\
         dn: uid=guest,o=extern\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: guest\n\
         userPassword: {PASSWORD}\n\n"
    )
}

/// The result of a tool.
#[derive(Debug)]
pub struct Said {
    /// Its exit code: the LDAP result, or 255 (for -1) without an answer.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub errors: String,
}

/// Runs one of OpenLDAP's tools, without the user's configuration; it trusts the shared test CA.
pub fn ldap_tool(name: &str, args: &[&str]) -> Said {
    let dir = TempDir::new().unwrap();
    let ca = dir.path().join("ca.crt");
    TestCa::shared().write(&ca);
    let output = Command::new(program(name, "ldap-utils"))
        .args(["-o", "nettimeout=15"])
        .args(args)
        .env("HOME", dir.path())
        .env("LDAPCONF", "/dev/null")
        .env("LDAPTLS_CACERT", &ca)
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
