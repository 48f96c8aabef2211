//! The files of a system, as a resolver reads them.

use super::*;

#[test]
fn resolv_conf_is_read_as_the_c_library_does() {
    let servers = Servers::of(
        "# comment\nnameserver 192.0.2.1 ; more\nnameserver fe80::1%eth0\nnameserver 2001:db8::1\n\
         domain one.example\nsearch two.example three.example.\noptions ndots:2 timeout:3 trust-ad nonsense:x\n\
         sortlist 10.0.0.0\nbroken\n",
    )
    .unwrap();
    assert_eq!(
        (&*servers.search, servers.ndots),
        (&["two.example", "three.example."].map(str::to_owned)[..], 2)
    );
    assert_eq!(servers.resolver.options().timeout, Duration::from_secs(3));
    assert_eq!(servers.candidates("a.b"), ["a.b.two.example.", "a.b.three.example.", "a.b."]);
    assert_eq!(servers.candidates("a.b.c"), ["a.b.c.", "a.b.c.two.example.", "a.b.c.three.example."]);
    assert_eq!(servers.candidates("a."), ["a."]);
    // An empty file: the name server on this machine is used.
    assert!(Servers::of("").is_some());
    let lone = Servers::of("search\n").unwrap();
    assert_eq!(lone.candidates("pbx"), ["pbx."]);
}

#[test]
fn hosts_are_read() {
    let known = known(
        "127.0.0.1 localhost # here\n192.0.2.1\tPBX.Example pbx\n2001:db8::1 pbx.example.\nnonsense x\n",
    );
    let addresses = |name: &str| known.get(name).map(|list| list.len());
    assert_eq!((addresses("pbx.example"), addresses("pbx"), addresses("x")), (Some(2), Some(1), None));
}

#[test]
fn addresses_are_tried_in_a_sensible_order() {
    let parse = |text: &str| text.parse::<IpAddr>().unwrap();
    let given = ["127.0.0.2", "127.0.0.1", "127.0.0.3"].map(parse);
    assert_eq!(ordered(given.to_vec()), given, "what is alike stays as it came");
    assert_eq!(ordered(vec![parse("::ffff:127.0.0.1")]), [parse("127.0.0.1")]);
}
