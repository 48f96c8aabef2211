mod networks;

use std::time::Duration;

use super::change::{Change, Done, ListEvent, StoredList, Subscription};
use super::entry::{Entry, Origin, Why};
use super::removals::Removal;
use super::*;
use crate::accounts::Administrator;
use crate::guard::network::Network;
use crate::reason::Reason;

fn who(number: u32) -> Network {
    std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(number)).into()
}

const FIVE: Option<Duration> = Some(Duration::from_secs(300));

const ADMINISTRATOR: Origin = Origin::Administrator(Administrator::User { user: Some(1000) });

/// The guard lists an address.
fn list(list: &Blacklist, who: Network, reason: Reason, now: u32, expiration: Option<Duration>) {
    let change = Change::List { who, why: Why::Automatic { reason, count: 21 }, expiration };
    list.apply(change, Origin::Guard, now).unwrap();
}

/// An administrator lists a network. `false`: there is no room.
fn add(list: &Blacklist, who: Network, note: &str, now: u32, expiration: Option<Duration>) -> bool {
    let change = Change::List { who, why: Why::Manual { note: note.into() }, expiration };
    list.apply(change, ADMINISTRATOR, now).is_ok()
}

/// An administrator removes a network. Returns whether it was listed.
fn remove(list: &Blacklist, who: Network, now: u32) -> bool {
    list.apply(Change::Remove { who }, ADMINISTRATOR, now) == Ok(1)
}

fn follow_clock(list: &Blacklist, now: u32) {
    list.apply(Change::FollowClock, Origin::Guard, now).unwrap();
}

/// A list into which these entries and removals were restored.
fn restored(entries: Vec<Entry>, removals: Vec<Removal>, now: u32) -> Blacklist {
    let list = Blacklist::default();
    list.apply(Change::Restore(StoredList { entries, removals }), Origin::File, now).unwrap();
    list
}

/// What a subscriber has received until now.
fn heard(subscription: &mut Subscription) -> Vec<ListEvent> {
    std::iter::from_fn(|| subscription.try_next()).collect()
}

/// All entries, read page by page.
fn all(blacklist: &Blacklist, now: u32, limit: usize) -> Vec<Network> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let Page { entries, next } = blacklist.page(now, after, limit);
        assert!(entries.len() <= limit);
        found.extend(entries.iter().map(|entry| entry.who));
        let Some(next) = next else { return found };
        // Clients of the admin socket get the cursor as text.
        after = Some(Cursor::parse(&next.to_string()).unwrap());
        assert_eq!(after, Some(next));
    }
}

#[test]
fn entries_come_and_go() {
    let blacklist = Blacklist::default();
    list(&blacklist, who(1), Reason::UnknownHost, 1_000, FIVE);
    list(&blacklist, who(2), Reason::NotTls, 1_001, None);
    assert!(add(&blacklist, who(3), "a note", 1_002, Some(Duration::from_millis(1_500))));
    assert!(add(&blacklist, who(2), "for good", 1_002, None));
    for (number, now, listed) in [
        (1, 1_299, true),
        (1, 1_300, false),
        (2, u32::MAX - 1, true),
        (3, 1_003, true),
        (3, 1_004, false),
        (4, 1_003, false),
    ] {
        assert_eq!(blacklist.lists(who(number).address().unwrap(), now), listed, "{number} at {now}");
    }
    assert!(matches!(blacklist.entry(who(2), 1_003).unwrap().why, Why::Manual { .. }));
    for limit in [1, 2, 3, 4, 10] {
        assert_eq!(all(&blacklist, 1_003, limit), [who(2), who(3), who(2), who(1)], "{limit}");
    }
    blacklist.sweep(1_300);
    assert_eq!(blacklist.len(), 2);
    assert!(
        remove(&blacklist, who(2), 1_300)
            && !remove(&blacklist, who(2), 1_300)
            && !blacklist.lists(who(2).address().unwrap(), 1_300)
    );
    // The address is listed again, for longer. The end of the first entry does not remove the second.
    list(&blacklist, who(5), Reason::NoPath, 2_000, FIVE);
    list(&blacklist, who(5), Reason::NoPath, 2_100, FIVE);
    blacklist.sweep(2_300);
    assert!(blacklist.lists(who(5).address().unwrap(), 2_399));
    // The same within one second. The entry is shown once.
    list(&blacklist, who(5), Reason::NoPath, 2_100, FIVE);
    assert_eq!(all(&blacklist, 2_300, 1), [who(5)]);
    assert_eq!(blacklist.apply(Change::Clear, ADMINISTRATOR, 2_301), Ok(1));
    assert!(blacklist.is_empty() && !blacklist.lists(who(5).address().unwrap(), 2_301));
}

#[test]
fn the_oldest_automatic_entries_go_first_and_manual_ones_never() {
    let blacklist = Blacklist::default();
    add(&blacklist, who(0), "", 0, None);
    let more = 1_000;
    for number in 1..=u32::try_from(AUTOMATIC).unwrap() + more {
        list(&blacklist, who(number), Reason::UnknownHost, 1_000, None);
    }
    assert_eq!(blacklist.len(), AUTOMATIC + 1);
    assert!(blacklist.lists(who(0).address().unwrap(), 1_001));
    assert!(
        !blacklist.lists(who(more).address().unwrap(), 1_001)
            && blacklist.lists(who(more + 1).address().unwrap(), 1_001)
    );
}

/// Item 35: pages stay complete, whatever happens between two of them.
#[test]
fn item_35_pages_go_on_while_the_list_changes() {
    let blacklist = Blacklist::default();
    for number in 0..2_500 {
        list(&blacklist, who(number), Reason::UnknownHost, 1_000, None);
        if number % 100 == 0 {
            add(&blacklist, who(10_000 + number), "", 1_000, None);
        }
    }
    let (mut found, mut after, mut round) = (Vec::new(), None, 0);
    loop {
        let Page { entries, next } = blacklist.page(1_001, after, 100);
        found.extend(entries.iter().map(|entry| entry.who));
        // Some entries are added. Some that were shown are removed, some that were not shown are removed, and one is
        // added again.
        list(&blacklist, who(20_000 + round), Reason::NoPath, 1_001, None);
        if let Some(shown) = found.last() {
            remove(&blacklist, *shown, 1_001);
        }
        remove(&blacklist, who(round), 1_001);
        list(&blacklist, who(2_400 + round), Reason::NoPath, 1_001, None);
        round += 1;
        let Some(next) = next else { break };
        after = Some(next);
    }
    let distinct: std::collections::HashSet<_> = found.iter().collect();
    assert_eq!(distinct.len(), found.len(), "no entry is shown twice");
    // Every entry that was there all the time is shown.
    for number in 100..2_300 {
        assert!(distinct.contains(&who(number)), "{number}");
    }
}

/// Item 35: places whose entries are gone limit the work for a page. They do not end the list.
#[test]
fn item_35_a_long_row_of_gone_entries_does_not_end_the_list() {
    let blacklist = Blacklist::default();
    list(&blacklist, who(1), Reason::NoPath, 1_000, None);
    let gone = u32::try_from(2 * page::CHUNK * page::CHUNKS).unwrap();
    for number in 0..gone {
        list(&blacklist, who(100 + number), Reason::NoPath, 1_000, FIVE);
    }
    let first = blacklist.page(2_000, None, 10);
    assert!(first.entries.is_empty() && first.next.is_some());
    assert_eq!(all(&blacklist, 2_000, 10), [who(1)]);
}

/// Item 38: a clock that was set back makes no entry longer.
#[test]
fn item_38_an_entry_from_the_future_lasts_as_long_as_it_was_meant_to() {
    let blacklist = Blacklist::default();
    follow_clock(&blacklist, 9_000);
    list(&blacklist, who(1), Reason::NoPath, 9_000, FIVE);
    list(&blacklist, who(2), Reason::NoPath, 9_000, None);
    list(&blacklist, who(3), Reason::NoPath, 900, Some(Duration::from_secs(3_600)));
    assert!(add(&blacklist, who(4), "note", 9_000, Some(Duration::from_secs(600))));
    assert!(add(&blacklist, who(5), "for good", 9_000, None));
    let mut subscription = blacklist.subscribe();
    follow_clock(&blacklist, 1_000);
    assert_eq!(heard(&mut subscription).len(), 1, "it is written to disk");
    for (number, since, until) in
        [(1, 1_000, Some(1_300)), (2, 1_000, None), (3, 900, Some(4_500)), (4, 1_000, Some(1_600))]
    {
        let entry = blacklist.entry(who(number), 1_100).unwrap();
        assert_eq!((entry.since, entry.until), (since, until), "{number}");
    }
    assert!(
        blacklist.lists(who(1).address().unwrap(), 1_299)
            && !blacklist.lists(who(1).address().unwrap(), 1_300)
    );
    assert!(
        blacklist.lists(who(4).address().unwrap(), 1_599)
            && !blacklist.lists(who(4).address().unwrap(), 1_600)
            && blacklist.lists(who(5).address().unwrap(), 5_000)
    );
    // The same when the clock is set back again.
    follow_clock(&blacklist, 100);
    blacklist.sweep(100);
    assert!(
        blacklist.lists(who(1).address().unwrap(), 399) && !blacklist.lists(who(1).address().unwrap(), 400)
    );
    // A clock that runs forward changes nothing.
    let mut subscription = blacklist.subscribe();
    follow_clock(&blacklist, 200);
    assert!(heard(&mut subscription).is_empty() && !blacklist.lists(who(1).address().unwrap(), 400));
}

/// Item 38: a restart after the clock was set back makes no entry longer either.
#[test]
fn item_38_what_is_restored_begins_now_at_the_latest() {
    let before = Blacklist::default();
    for (number, expiration) in [(1, FIVE), (2, None)] {
        list(&before, who(number), Reason::NoPath, 9_000, expiration);
        assert!(add(&before, who(10 + number), "note", 9_000, expiration));
    }
    let blacklist = restored(before.page(9_000, None, 10).entries, Vec::new(), 1_000);
    for number in [1, 11] {
        assert!(
            blacklist.lists(who(number).address().unwrap(), 1_299)
                && !blacklist.lists(who(number).address().unwrap(), 1_300),
            "{number}"
        );
    }
    assert!(
        blacklist.lists(who(2).address().unwrap(), u32::MAX - 1)
            && blacklist.lists(who(12).address().unwrap(), u32::MAX - 1)
    );
    assert_eq!(all(&blacklist, 1_001, 10), [who(11), who(12), who(2), who(1)], "the order stays");
}

#[test]
fn what_is_no_cursor_is_refused() {
    for text in ["", "m", "a", "x1", "a-1", "mxyz", "ä", "a99999999999999999999999"] {
        assert_eq!(Cursor::parse(text), None, "{text}");
    }
}

#[test]
fn item_7_subscribers_hear_of_changes_in_their_order() {
    let blacklist = Blacklist::default();
    let mut subscription = blacklist.subscribe();
    list(&blacklist, who(1), Reason::NoPath, 1_000, FIVE);
    add(&blacklist, who(2), "a note", 1_001, None);
    assert!(remove(&blacklist, who(1), 1_002) && !remove(&blacklist, who(1), 1_002));
    blacklist.apply(Change::Clear, ADMINISTRATOR, 1_003).unwrap();
    let entry = |who, since, until, why| Done::Listed(Entry { who, since, until, why });
    let removal = |who, since, at| Done::Removed(Removal { who, since, at, by: ADMINISTRATOR });
    let automatic = Why::Automatic { reason: Reason::NoPath, count: 21 };
    let expected = [
        (entry(who(1), 1_000, Some(1_300), automatic), Origin::Guard),
        (entry(who(2), 1_001, None, Why::Manual { note: "a note".into() }), ADMINISTRATOR),
        (removal(Some(who(1)), 1_000, 1_002), ADMINISTRATOR),
        (removal(None, 1_003, 1_003), ADMINISTRATOR),
    ];
    let expected = expected.map(|(done, origin)| ListEvent::Change(change::Notice { done, origin }));
    assert_eq!(heard(&mut subscription), expected);
    assert!(heard(&mut subscription).is_empty());
}

#[tokio::test]
async fn item_7_a_slow_subscriber_learns_that_it_has_missed_something() {
    let blacklist = Blacklist::default();
    let mut subscription = blacklist.subscribe();
    for number in 0..100_000 {
        list(&blacklist, who(number), Reason::NoPath, 1_000, FIVE);
    }
    assert_eq!(subscription.next().await, Some(ListEvent::Missed));
    // The subscriber reads the whole list, and receives later changes.
    assert_eq!(all(&blacklist, 1_000, 1_000).len(), 100_000);
    let rest = heard(&mut subscription);
    assert!(rest.iter().all(|heard| matches!(heard, ListEvent::Change(_))));
    remove(&blacklist, who(7), 1_001);
    let heard = subscription.next().await.unwrap();
    assert!(matches!(heard, ListEvent::Change(change::Notice { done: Done::Removed(_), .. })), "{heard:?}");
}

#[test]
fn item_7_removals_leave_traces_for_a_week() {
    const WEEK: u32 = 7 * 24 * 3_600;
    let blacklist = Blacklist::default();
    list(&blacklist, who(1), Reason::NoPath, 1_000, FIVE);
    list(&blacklist, who(2), Reason::NoPath, 1_001, FIVE);
    for (number, now) in [(1, 1_100), (2, 1_200), (3, 1_300)] {
        remove(&blacklist, who(number), now);
    }
    let trace = |number, since, at| Removal { who: Some(who(number)), since, at, by: ADMINISTRATOR };
    let traces = [trace(2, 1_001, 1_200), trace(1, 1_000, 1_100)];
    assert_eq!(blacklist.removals(1_300), traces, "address 3 had no entry to remove");
    assert_eq!(blacklist.removals(1_100 + WEEK), traces[..1]);
    blacklist.sweep(1_200 + WEEK);
    assert!(blacklist.changing().removals.latest(0).is_empty());
    // The number of traces is bounded. Clearing leaves one trace, however many entries there were.
    let all_are_listed =
        |now| (0..5_000).for_each(|number| list(&blacklist, who(number), Reason::NoPath, now, None));
    all_are_listed(2_000);
    (0..5_000).for_each(|number| assert!(remove(&blacklist, who(number), 2_001)));
    assert_eq!(blacklist.removals(2_001).len(), removals::REMOVALS);
    all_are_listed(2_002);
    assert_eq!(blacklist.apply(Change::Clear, ADMINISTRATOR, 2_003), Ok(5_000));
    let latest = Removal { who: None, since: 2_003, at: 2_003, by: ADMINISTRATOR };
    assert_eq!(blacklist.removals(2_003)[..2], [latest, trace(4_999, 2_000, 2_001)]);
}

#[test]
fn item_7_what_is_left_of_a_listing_and_a_removal_in_one_second_says_which_was_the_later() {
    let blacklist = Blacklist::default();
    list(&blacklist, who(2), Reason::NoPath, 1_000, None);
    for number in [1, 2] {
        list(&blacklist, who(number), Reason::NoPath, 1_000, None);
        assert!(remove(&blacklist, who(number), 1_000));
    }
    list(&blacklist, who(2), Reason::NoPath, 1_000, None);
    let removed: Vec<_> = blacklist.removals(1_000).iter().map(|removal| removal.who).collect();
    assert_eq!((removed, all(&blacklist, 1_000, 10)), (vec![Some(who(1))], vec![who(2)]));
    // A listing in a later second keeps the trace, because the times show the order.
    list(&blacklist, who(1), Reason::NoPath, 1_001, None);
    assert_eq!(blacklist.removals(1_001).len(), 1);
}

#[test]
fn item_7_what_was_removed_after_it_was_listed_is_not_restored() {
    let why = || Why::Automatic { reason: Reason::NoPath, count: 21 };
    let entry = |number, since| Entry { who: who(number), since, until: None, why: why() };
    let trace = |who, at| Removal { who, since: 900, at, by: ADMINISTRATOR };
    let entries = vec![entry(5, 1_200), entry(4, 1_100), entry(3, 1_051), entry(2, 1_000), entry(1, 999)];
    let removals = vec![trace(Some(who(4)), 1_100), trace(Some(who(3)), 1_050), trace(None, 1_000)];
    let blacklist = restored(entries, removals.clone(), 2_000);
    assert_eq!(all(&blacklist, 2_000, 10), [who(5), who(3), who(2)]);
    assert_eq!(blacklist.removals(2_000), removals);
}

#[test]
fn item_7_a_removal_and_a_listing_at_once_have_one_order() {
    let blacklist = Blacklist::default();
    let mut subscription = blacklist.subscribe();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..100).for_each(|now| list(&blacklist, who(1), Reason::NoPath, now, None)));
        scope.spawn(|| (0..100).filter(|now| remove(&blacklist, who(1), *now)).count());
    });
    // A subscriber that has received every change knows what is listed.
    let listed = heard(&mut subscription).into_iter().fold(false, |listed, heard| match heard {
        ListEvent::Change(change::Notice { done: Done::Listed(_), .. }) => true,
        ListEvent::Change(change::Notice { done: Done::Removed(_), .. }) => false,
        _ => listed,
    });
    assert_eq!(blacklist.lists(who(1).address().unwrap(), 100), listed);
}
