//! Networks that administrators list.

use super::*;

fn network(text: &str) -> Network {
    Network::wanted(text).unwrap()
}

fn is_listed(list: &Blacklist, address: &str, now: u32) -> bool {
    list.lists(network(address).address().unwrap(), now)
}

/// Issue 19, item 7: an administrator lists networks. For an address the entry of the smallest network around it is
/// shown.
#[test]
fn item_7_networks_list_every_address_in_them() {
    let kept = Blacklist::default();
    for (net, expiration) in [("203.0.113.0/24", None), ("203.0.0.0/16", FIVE), ("2001:db8::/32", None)] {
        assert!(add(&kept, network(net), net, 1_000, expiration));
    }
    assert!(add(&kept, network("203.0.113.9"), "one", 1_000, FIVE));
    for (address, now, listed) in [
        ("203.0.113.0", 1_001, true),
        ("203.0.113.255", 9_999, true),
        ("203.0.114.1", 1_001, true),
        ("203.0.114.1", 1_300, false),
        ("203.1.0.1", 1_001, false),
        ("2001:db8:ffff::1", 9_999, true),
        ("2001:db9::1", 1_001, false),
    ] {
        assert_eq!(is_listed(&kept, address, now), listed, "{address} at {now}");
    }
    let shown = |who: &str, now| kept.entry(network(who), now).map(|entry| entry.who.to_string());
    assert_eq!(shown("203.0.113.9", 1_001).as_deref(), Some("203.0.113.9"));
    assert_eq!(
        shown("203.0.113.9", 1_300).as_deref(),
        Some("203.0.113.0/24"),
        "the address's own entry has ended"
    );
    assert_eq!(shown("203.0.113.0/25", 1_001).as_deref(), Some("203.0.113.0/24"));
    assert_eq!(shown("203.0.112.0/23", 1_001).as_deref(), Some("203.0.0.0/16"));
    assert_eq!(shown("203.0.0.0/15", 1_001), None);
    assert_eq!(
        (kept.within(network("203.0.0.0/15"), 1_001), kept.within(network("203.0.0.0/15"), 1_300)),
        (3, 1)
    );
    // An address that the guard lists within a network has an entry of its own. It outlives the network's entry.
    list(&kept, network("203.0.113.7"), Reason::NoPath, 1_002, None);
    assert!(matches!(kept.exact(network("203.0.113.7"), 1_002).unwrap().why, Why::Automatic { .. }));
    for limit in [1, 2, 10] {
        assert_eq!(all(&kept, 1_002, limit).len(), 5);
    }
    assert!(!remove(&kept, network("203.0.113.0/25"), 1_003), "not by itself");
    assert!(remove(&kept, network("203.0.113.0/24"), 1_003));
    kept.sweep(1_300);
    assert!(is_listed(&kept, "203.0.113.7", 1_300) && !is_listed(&kept, "203.0.113.9", 1_300));
    assert!(is_listed(&kept, "2001:db8::1", 1_300));
    let trace = kept.removals(1_300);
    assert_eq!(trace[0].who, Some(network("203.0.113.0/24")));
}

/// Look-ups of the guard's own entries and of single addresses do not become slower. Only lengths of prefix that are
/// listed are tried.
#[test]
fn item_7_all_lengths_at_once() {
    let kept = Blacklist::default();
    for length in 1..=32_u8 {
        let net = format!("203.0.113.9/{length}").parse::<ipnet::IpNet>().unwrap().trunc();
        assert!(add(&kept, network(&net.to_string()), "", 1_000, Some(Duration::from_secs(length.into()))));
        assert!(add(&kept, network(&format!("2001:db8::/{}", 32 + length)), "", 1_000, None));
    }
    for now in 1_000..1_032 {
        let left = kept.entry(network("203.0.113.9"), now).unwrap();
        assert!(left.until.unwrap() > now && left.who.to_string().starts_with("203.0.113.9"), "{left:?}");
    }
    assert!(kept.entry(network("203.0.113.9"), 1_032).is_none());
    kept.sweep(1_032);
    assert_eq!(kept.len(), 32);
    assert!(is_listed(&kept, "2001:db8::1", 1_032) && !is_listed(&kept, "2001:db9::1", 1_032));
}
