//! Recognises paths and names that are typical of scanners. This helps people, and is never used to decide.

use std::net::IpAddr;

/// Parts of paths in lower case, and the software that they belong to.
const PATHS: &[(&str, &str)] = &[
    ("/boaform", "the login page of cheap routers, which scanners look for"),
    ("/hnap1", "the administration of home routers, which worms look for"),
    ("/gponform", "the administration of fibre routers, which worms look for"),
    ("/goform", "the administration of home routers, which scanners look for"),
    ("/setup.cgi", "the administration of home routers, which scanners look for"),
    ("/cgi-bin", "old CGI programs, which scanners look for"),
    ("/wp-", "WordPress, which scanners look for everywhere"),
    ("/wordpress", "WordPress, which scanners look for everywhere"),
    ("/xmlrpc", "WordPress, which scanners look for everywhere"),
    ("/phpmyadmin", "phpMyAdmin, which scanners look for everywhere"),
    ("/pma", "phpMyAdmin, which scanners look for everywhere"),
    (".php", "a PHP program, which no PBX has and scanners look for"),
    (".asp", "an ASP program, which no PBX has and scanners look for"),
    (".jsp", "a JSP program, which no PBX has and scanners look for"),
    ("/.env", "files with passwords that were left behind"),
    ("/.git", "source text that was left behind"),
    ("/.aws", "files with passwords that were left behind"),
    ("/.ssh", "files with keys that were left behind"),
    ("/.vscode", "files that were left behind by an editor"),
    ("/actuator", "the inside of a Java server, which scanners look for"),
    ("/manager/html", "the administration of Tomcat, which scanners look for"),
    ("/solr", "the administration of Solr, which scanners look for"),
    ("/jenkins", "Jenkins, which scanners look for"),
    ("/owa", "Microsoft Exchange, which scanners look for"),
    ("/ecp/", "Microsoft Exchange, which scanners look for"),
    ("/autodiscover", "Microsoft Exchange, which scanners look for"),
    ("/remote/login", "a VPN gateway, which scanners look for"),
    ("/dana-na", "a VPN gateway, which scanners look for"),
    ("/+cscoe+", "a VPN gateway, which scanners look for"),
    ("/vendor/phpunit", "a PHP library with a known hole"),
    ("/etc/passwd", "the accounts of a machine"),
    ("/shell", "a back door that worms leave behind"),
    ("/admin.xml", "the administration of a PBX, which is not for the outside"),
    ("/pbx0/admin", "the administration of a PBX, which is not for the outside"),
];

/// The software that a path looks like.
pub(super) fn path(path: &str) -> Option<&'static str> {
    let path = path.to_ascii_lowercase();
    PATHS.iter().find(|(piece, _)| path.contains(piece)).map(|(_, what)| *what)
}

/// Whether a name is a bare address. Scanners usually know no names, so they ask for addresses.
pub(super) fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}
