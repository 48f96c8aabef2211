use super::*;

fn found(address: &str, lasts: u64) -> Option<Found> {
    Some(Found {
        addresses: vec![address.parse().unwrap()],
        lasts: Duration::from_secs(lasts),
        is_half: false,
    })
}

#[tokio::test]
async fn names_resolve_in_the_background() {
    let resolver = Arc::new(Resolver::default());
    resolver.watch(["localhost", "does-not-exist.invalid"].into_iter());
    let running = tokio::spawn(resolver.clone().run());
    let patience = Duration::from_secs(12);
    assert!(resolver.addresses("localhost", patience).await.unwrap().iter().all(IpAddr::is_loopback));
    assert!(!resolver.addresses("localhost", patience).await.unwrap().is_empty());
    assert!(resolver.addresses("does-not-exist.invalid", patience).await.is_err());
    assert_eq!(resolver.addresses("never-watched", Duration::from_millis(10)).await, Err(Cause::DnsFailed));
    running.abort();
}

#[tokio::test]
async fn the_last_good_answer_is_kept() {
    let resolver = Resolver::default();
    resolver.watch(["a"].into_iter());
    let (now, name) = (Instant::now(), Arc::from("a"));
    for answer in [
        found("192.0.2.1", 1),
        None,
        Some(Found { addresses: Vec::new(), lasts: Duration::ZERO, is_half: false }),
    ] {
        let next = resolver.lock().next(Instant::now() + RETRY_LATEST, 0, 0);
        assert!(next.is_some());
        resolver.lock().take(&name, answer, now);
        assert_eq!(resolver.addresses("a", Duration::from_secs(1)).await.unwrap().len(), 1);
    }
    resolver.watch(["a", "b"].into_iter());
    assert_eq!(resolver.addresses("a", Duration::from_secs(1)).await.unwrap().len(), 1);
}

/// Item 33: a name has one query at a time. There are bounds for all queries and for those of names without an answer.
/// A name that a client waits for comes first.
#[test]
fn item_33_slots_are_bounded_and_fair() {
    let resolver = Resolver::default();
    let names: Vec<String> = (0..3_000).map(|number| format!("{number}.example")).collect();
    resolver.watch(names.iter().map(String::as_str));
    let mut all = resolver.lock();
    let (start, mut asked) = (Instant::now(), HashSet::new());
    // One name is answered well.
    let good: Arc<str> = all.next(start, 0, 0).unwrap().0;
    all.take(&good, found("192.0.2.1", 1), start);
    // The other queries are not answered. Their slots are used up, and no name is queried twice.
    let mut open = 0;
    while let Some((name, lane)) = all.next(start, open, open) {
        assert!(lane == Lane::Doubtful && asked.insert(name));
        open += 1;
    }
    assert_eq!(open, SLOTS_DOUBTFUL);
    // A client waits for a name without an answer. It takes no slot of the good name, which is due again.
    let silent = names.iter().find(|name| !asked.contains(name.as_str()) && **name != *good).unwrap();
    assert!(all.want(silent, start) && !all.want(silent, start));
    let soon = start + SOONEST;
    assert_eq!(all.next(soon, open, open), Some((good, Lane::Good)));
    assert_eq!(all.next(soon, open + 1, open), None);
    // It is next when another unanswered query has ended.
    let next = all.next(soon, open, open - 1).unwrap();
    assert_eq!((&*next.0, next.1), (silent.as_str(), Lane::Doubtful));
}

#[test]
fn item_33_silence_is_asked_less_and_less_and_times_to_live_are_kept() {
    let resolver = Resolver::default();
    resolver.watch(["a"].into_iter());
    let mut all = resolver.lock();
    let (name, mut now) = (Arc::<str>::from("a"), Instant::now());
    for wait in [5, 10, 20, 40, 60, 60] {
        assert!(all.next(now, 0, 0).is_some());
        all.take(&name, None, now);
        now += Duration::from_secs(wait);
        assert_eq!(all.next_due(), Some(now), "{wait}");
    }
    for (lasts, wait) in [(0, 5), (7, 7), (3_600, 30)] {
        assert!(all.next(now, 0, 0).is_some());
        all.take(&name, found("192.0.2.1", lasts), now);
        now += Duration::from_secs(wait);
        assert_eq!(all.next_due(), Some(now), "{lasts}");
    }
    // A name that is removed from the rules leaves nothing behind.
    drop(all);
    resolver.watch(std::iter::empty());
    let all = resolver.lock();
    assert!(all.known.is_empty() && all.good.is_empty() && all.doubtful.is_empty() && all.wanted.is_empty());
}

/// One of the two answers may be lost on its way.
#[test]
fn half_an_answer_takes_nothing_away_from_the_other_half() {
    let resolver = Resolver::default();
    resolver.watch(["a"].into_iter());
    let (now, name) = (Instant::now(), Arc::from("a"));
    let answer = |addresses: &[&str], is_half| {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        Some(Found { addresses, lasts: Duration::from_secs(1), is_half })
    };
    let known = || {
        let mut known: Vec<_> =
            resolver.lock().known["a"].addresses.iter().map(ToString::to_string).collect();
        known.sort();
        known
    };
    resolver.lock().take(&name, answer(&["192.0.2.1", "2001:db8::1"], false), now);
    resolver.lock().take(&name, answer(&["192.0.2.2"], true), now);
    assert_eq!(known(), ["192.0.2.2", "2001:db8::1"]);
    assert_eq!(resolver.left(), HashSet::from(["192.0.2.1".parse().unwrap()]));
    resolver.lock().take(&name, answer(&["192.0.2.1"], false), now);
    assert_eq!(known(), ["192.0.2.1"]);
    let left = ["192.0.2.2", "2001:db8::1"].map(|ip| ip.parse().unwrap());
    assert_eq!(resolver.left(), HashSet::from(left), "what came back is in use again");
}

/// Of a name with many addresses only a number are used. They stay the same for as long as the name has them.
#[test]
fn addresses_of_a_name_are_bounded() {
    let resolver = Resolver::default();
    resolver.watch(["a"].into_iter());
    let (now, name) = (Instant::now(), Arc::from("a"));
    let answer = |numbers: std::ops::Range<u8>| {
        let addresses = numbers.map(|last| std::net::Ipv4Addr::new(192, 0, 2, last).into()).collect();
        Some(Found { addresses, lasts: Duration::from_secs(1), is_half: false })
    };
    let known = || {
        let mut known: Vec<_> = resolver.lock().known["a"].addresses.to_vec();
        known.sort();
        known
    };
    resolver.lock().take(&name, answer(100..120), now);
    let first = known();
    assert_eq!(first.len(), ADDRESSES);
    resolver.lock().take(&name, answer(90..200), now);
    assert_eq!(known(), first);
    assert!(resolver.left().is_empty());
    resolver.lock().take(&name, answer(110..200), now);
    assert_eq!((known().len(), resolver.left().len()), (ADDRESSES, 10));
}
