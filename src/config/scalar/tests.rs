use super::*;

#[test]
fn durations() {
    for (text, want) in
        [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)]
    {
        assert_eq!(duration(text), Ok(Duration::from_millis(want)), "{text}");
    }
    for text in
        ["", "10", "s", "0s", "-1s", "1.5h", "5 parsecs", "1h30m", "9999999999999999999999s", "367d", "5µs"]
    {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn item_24_what_never_ends_is_called_never() {
    assert_eq!(expiration("never"), Ok(None));
    assert_eq!(expiration("5m"), Ok(Some(Duration::from_secs(300))));
    for text in ["permanent", "Forever", "Never", "0", "-1", "none"] {
        let fault = expiration(text).unwrap_err();
        assert!(fault.hint().is_some_and(|help| help.contains("\"never\"")), "{text}");
    }
    assert_eq!(expiration("5").unwrap_err().message(), "the duration has no unit");
}

#[test]
fn sizes() {
    let bounds = 1024..=1 << 20;
    for (text, want) in [
        ("4000B", 4_000),
        ("1024B", 1_024),
        ("1KiB", 1_024),
        ("64KiB", 65_536),
        ("64 KiB", 65_536),
        ("1MiB", 1_048_576),
        ("1048576B", 1_048_576),
    ] {
        assert_eq!(size(text, bounds.clone()), Ok(want), "{text}");
    }
    for text in [
        "",
        "64",
        "KiB",
        "0B",
        "1023B",
        "1048577B",
        "2MiB",
        "-1KiB",
        "1.5KiB",
        "64KB",
        "64kib",
        "64K",
        "1GiB",
        "99999999999999999999KiB",
        "18014398509481985KiB",
        "4194305KiB",
    ] {
        assert!(size(text, bounds.clone()).is_err(), "{text}");
    }
    for (octets, text) in
        [(1_000, "1000B"), (1_024, "1KiB"), (1_536, "1536B"), (65_536, "64KiB"), (1 << 20, "1MiB")]
    {
        assert_eq!(shown_size(octets), text);
    }
}

#[test]
fn networks() {
    for (text, want) in [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ] {
        assert_eq!(network(text).map(|net| net.to_string()), Ok(want.to_owned()), "{text}");
    }
    for text in ["", "192.0.2.0/33", "192.0.2.1/24", "192.0.2/24", "x/8", "::/129", "10.0.0.0/-1"] {
        assert!(network(text).is_err(), "{text}");
    }
}

#[test]
fn socket_addresses() {
    for (text, want) in
        [("192.0.2.1:90", "192.0.2.1:90"), ("[::1]:90", "[::1]:90"), ("[::ffff:10.0.0.1]:90", "10.0.0.1:90")]
    {
        assert_eq!(socket_address(text).map(|a| a.to_string()), Ok(want.to_owned()), "{text}");
    }
    for text in ["", "90", "::1", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:65536", "localhost:90", "::1:90:"] {
        assert!(socket_address(text).is_err(), "{text}");
    }
}

#[test]
fn hosts_with_ports() {
    for (text, want) in [
        ("78.54.23.241", "78.54.23.241"),
        ("78.54.23.241:5060", "78.54.23.241:5060"),
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("[::1]:5060", "[::1]:5060"),
        ("PBX.Example.net.:5061", "pbx.example.net:5061"),
    ] {
        assert_eq!(host_and_port(text).as_deref(), Ok(want), "{text}");
    }
    for text in ["", ":5060", "a:", "a:0", "a:70000", "1.2.3", "300.1.1.1", "a/b", "*.a", "::1::", "a b"] {
        assert!(host_and_port(text).is_err(), "{text}");
    }
}

#[test]
fn w3_rates() {
    let of = |text: &str| request_rate(text).map(|rate| (rate.count, rate.within.as_secs()));
    for (text, want) in [("50/s", (50, 1)), ("600/m", (600, 60)), ("1 / s", (1, 1)), ("10000/s", (10_000, 1))]
    {
        assert_eq!(of(text), Ok(want), "{text}");
    }
    for text in ["50", "50/h", "0/s", "10001/s", "-1/s", "/s", "50/", "x/s", "50/s/s", "1.5/s"] {
        assert!(of(text).is_err(), "{text}");
    }
}
