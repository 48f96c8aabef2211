use super::*;

fn who(number: u32) -> Counted {
    std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(number)).into()
}

const FIVE: Option<Duration> = Some(Duration::from_secs(300));

/// Everything, page by page.
fn all(list: &Blacklist, now: u32, limit: usize) -> Vec<Counted> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let Page { entries, next } = list.page(now, after, limit);
        assert!(entries.len() <= limit);
        found.extend(entries.iter().map(|entry| entry.who));
        let Some(next) = next else { return found };
        // As the admin socket's clients have it.
        after = Some(Cursor::parse(&next.to_string()).unwrap());
        assert_eq!(after, Some(next));
    }
}

#[test]
fn entries_come_and_go() {
    let list = Blacklist::default();
    list.list(who(1), Reason::UnknownHost, 21, 1_000, FIVE);
    list.list(who(2), Reason::NotTls, 21, 1_001, None);
    assert!(list.add(who(3), "a note", 1_002, Some(Duration::from_millis(1_500))));
    assert!(list.add(who(2), "for good", 1_002, None));
    for (number, now, listed) in [
        (1, 1_299, true),
        (1, 1_300, false),
        (2, u32::MAX - 1, true),
        (3, 1_003, true),
        (3, 1_004, false),
        (4, 1_003, false),
    ] {
        assert_eq!(list.lists(who(number), now), listed, "{number} at {now}");
    }
    assert!(matches!(list.entry(who(2), 1_003).unwrap().why, Why::Manual { .. }));
    for limit in [1, 2, 3, 4, 10] {
        assert_eq!(all(&list, 1_003, limit), [who(2), who(3), who(2), who(1)], "{limit}");
    }
    list.sweep(1_300);
    assert_eq!(list.len(), 2);
    assert!(list.take_changed() && !list.take_changed());
    assert!(list.remove(who(2), 1_300) && !list.remove(who(2), 1_300) && !list.lists(who(2), 1_300));
    // Listed again, longer: the first entry's end does not take the second one out.
    list.list(who(5), Reason::NoPath, 21, 2_000, FIVE);
    list.list(who(5), Reason::NoPath, 21, 2_100, FIVE);
    list.sweep(2_300);
    assert!(list.lists(who(5), 2_399));
    // Within one second, too, and it is shown once.
    list.list(who(5), Reason::NoPath, 21, 2_100, FIVE);
    assert_eq!(all(&list, 2_300, 1), [who(5)]);
    assert_eq!(list.clear(), 1);
    assert!(list.is_empty() && !list.lists(who(5), 2_301));
}

#[test]
fn the_oldest_automatic_entries_go_first_and_manual_ones_never() {
    let list = Blacklist::default();
    list.add(who(0), "", 0, None);
    let more = 1_000;
    for number in 1..=u32::try_from(AUTOMATIC).unwrap() + more {
        list.list(who(number), Reason::UnknownHost, 21, 1_000, None);
    }
    assert_eq!(list.len(), AUTOMATIC + 1);
    assert!(list.lists(who(0), 1_001));
    assert!(!list.lists(who(more), 1_001) && list.lists(who(more + 1), 1_001));
}

/// Item 35: a page is a page, whatever happens between two of them.
#[test]
fn item_35_pages_go_on_while_the_list_changes() {
    let list = Blacklist::default();
    for number in 0..2_500 {
        list.list(who(number), Reason::UnknownHost, 21, 1_000, None);
        if number % 100 == 0 {
            list.add(who(10_000 + number), "", 1_000, None);
        }
    }
    let (mut found, mut after, mut round) = (Vec::new(), None, 0);
    loop {
        let Page { entries, next } = list.page(1_001, after, 100);
        found.extend(entries.iter().map(|entry| entry.who));
        // Some come, some go that were shown, some that were not, and one comes back.
        list.list(who(20_000 + round), Reason::NoPath, 21, 1_001, None);
        if let Some(shown) = found.last() {
            list.remove(*shown, 1_001);
        }
        list.remove(who(round), 1_001);
        list.list(who(2_400 + round), Reason::NoPath, 21, 1_001, None);
        round += 1;
        let Some(next) = next else { break };
        after = Some(next);
    }
    let distinct: std::collections::HashSet<_> = found.iter().collect();
    assert_eq!(distinct.len(), found.len(), "nobody is shown twice");
    // Whoever was there all the time is shown.
    for number in 100..2_300 {
        assert!(distinct.contains(&who(number)), "{number}");
    }
}

/// Item 35: places of entries that are gone bound the work for a page, and do not end the list.
#[test]
fn item_35_a_long_row_of_gone_entries_does_not_end_the_list() {
    let list = Blacklist::default();
    list.list(who(1), Reason::NoPath, 21, 1_000, None);
    let gone = u32::try_from(2 * page::CHUNK * page::CHUNKS).unwrap();
    for number in 0..gone {
        list.list(who(100 + number), Reason::NoPath, 21, 1_000, FIVE);
    }
    let first = list.page(2_000, None, 10);
    assert!(first.entries.is_empty() && first.next.is_some());
    assert_eq!(all(&list, 2_000, 10), [who(1)]);
}

/// Item 38: a clock that was set back lengthens nothing.
#[test]
fn item_38_an_entry_from_the_future_lasts_as_long_as_it_was_meant_to() {
    let list = Blacklist::default();
    list.follow_clock(9_000);
    list.list(who(1), Reason::NoPath, 21, 9_000, FIVE);
    list.list(who(2), Reason::NoPath, 21, 9_000, None);
    list.list(who(3), Reason::NoPath, 21, 900, Some(Duration::from_secs(3_600)));
    assert!(list.add(who(4), "note", 9_000, Some(Duration::from_secs(600))));
    assert!(list.add(who(5), "for good", 9_000, None));
    list.take_changed();
    list.follow_clock(1_000);
    assert!(list.take_changed(), "it is written to disk");
    for (number, since, until) in
        [(1, 1_000, Some(1_300)), (2, 1_000, None), (3, 900, Some(4_500)), (4, 1_000, Some(1_600))]
    {
        let entry = list.entry(who(number), 1_100).unwrap();
        assert_eq!((entry.since, entry.until), (since, until), "{number}");
    }
    assert!(list.lists(who(1), 1_299) && !list.lists(who(1), 1_300));
    assert!(list.lists(who(4), 1_599) && !list.lists(who(4), 1_600) && list.lists(who(5), 5_000));
    // By the sweep as well, and again when it happens again.
    list.sweep(100);
    assert!(list.lists(who(1), 399) && !list.lists(who(1), 400));
    // A clock that goes on changes nothing.
    list.take_changed();
    list.follow_clock(200);
    assert!(!list.take_changed() && !list.lists(who(1), 400));
}

/// Item 38: neither does a restart with such a clock.
#[test]
fn item_38_what_is_restored_begins_now_at_the_latest() {
    let before = Blacklist::default();
    for (number, expiration) in [(1, FIVE), (2, None)] {
        before.list(who(number), Reason::NoPath, 21, 9_000, expiration);
        assert!(before.add(who(10 + number), "note", 9_000, expiration));
    }
    let list = Blacklist::default();
    list.restore(before.page(9_000, None, 10).entries, 1_000);
    for number in [1, 11] {
        assert!(list.lists(who(number), 1_299) && !list.lists(who(number), 1_300), "{number}");
    }
    assert!(list.lists(who(2), u32::MAX - 1) && list.lists(who(12), u32::MAX - 1));
    assert_eq!(all(&list, 1_001, 10), [who(11), who(12), who(2), who(1)], "the order stays");
}

#[test]
fn what_is_no_cursor_is_refused() {
    for text in ["", "m", "a", "x1", "a-1", "mxyz", "ä", "a99999999999999999999999"] {
        assert_eq!(Cursor::parse(text), None, "{text}");
    }
}
