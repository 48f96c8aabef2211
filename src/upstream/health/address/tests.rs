//! How failures, successes and checks change the health of an address. The time is an argument.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const FAILBACK: Option<Duration> = Some(Duration::from_secs(60));

/// A new address, and the present time.
fn new() -> (AddressHealth, Instant) {
    let now = Instant::now();
    (AddressHealth::new(now), now)
}

fn turns(health: &mut AddressHealth, now: Instant, seconds: std::ops::Range<u64>) -> Vec<u64> {
    let tried = |second: &u64| health.turn(now + SECOND * *second as u32, None) == Turn::InOrder;
    seconds.filter(tried).collect()
}

#[test]
fn a_failure_puts_an_address_behind_the_others_and_the_pause_doubles() {
    let (mut health, now) = new();
    assert_eq!(health.turn(now, FAILBACK), Turn::InOrder);
    let change = health.missed(Cause::Refused, now, now).unwrap();
    assert_eq!(
        (change.before.0, change.now, change.why),
        (State::Unknown, State::Down, Some(Cause::Refused))
    );
    let mut at = 0;
    for pause in [10, 20, 40, 60, 60] {
        assert_eq!(turns(&mut health, now, at..at + pause + 5), [at + pause], "one connection tries it");
        at += pause;
        assert_eq!(
            health.missed(Cause::TimedOut, now + SECOND * at as u32, now + SECOND * at as u32),
            None,
            "it was down before"
        );
        assert_eq!(
            health.missed(Cause::TimedOut, now + SECOND * at as u32, now + SECOND * at as u32),
            None,
            "together is once"
        );
    }
    assert_eq!(health.why, Some(Cause::TimedOut));
}

#[test]
fn a_connection_of_which_nothing_is_heard_does_not_block_the_address() {
    let (mut health, now) = new();
    health.missed(Cause::Refused, now, now);
    assert_eq!(turns(&mut health, now, 0..45), [10, 20, 30, 40]);
}

#[test]
fn a_success_ends_the_pause_but_what_fails_soon_again_waits_for_longer() {
    let (mut health, now) = new();
    health.missed(Cause::Refused, now, now);
    assert_eq!(health.turn(now + SECOND * 10, None), Turn::InOrder);
    assert_eq!(health.reached(now + SECOND * 10).unwrap().before, (State::Down, SECOND * 10));
    assert_eq!(health.turn(now + SECOND * 11, None), Turn::InOrder);
    health.missed(Cause::Refused, now + SECOND * 12, now + SECOND * 12).unwrap();
    assert_eq!(turns(&mut health, now, 12..40), [32], "twenty seconds");
    health.reached(now + SECOND * 40).unwrap();
    health.missed(Cause::Refused, now + SECOND * 100, now + SECOND * 100).unwrap();
    assert_eq!(turns(&mut health, now, 100..115), [110], "it was good for a minute");
}

#[test]
fn signalling_comes_back_after_a_while_and_others_at_once() {
    let (mut health, now) = new();
    health.reached(now);
    assert_eq!(health.turn(now, FAILBACK), Turn::InOrder, "it was never down");
    health.missed(Cause::Refused, now + SECOND, now + SECOND);
    health.reached(now + SECOND * 20);
    assert_eq!(health.turn(now + SECOND * 21, None), Turn::InOrder);
    assert_eq!(health.turn(now + SECOND * 79, FAILBACK), Turn::Later);
    assert_eq!(health.turn(now + SECOND * 80, FAILBACK), Turn::InOrder);
    assert!(!health.is_quiet());
    health.settle(SECOND * 60, now + SECOND * 80);
    assert!(health.is_quiet());
}

#[test]
fn an_address_that_owes_an_answer_is_tried_later_by_those_that_come() {
    let (mut health, now) = new();
    assert!(health.begins(now));
    assert_eq!(health.turn(now + SLOW - SECOND / 2, None), Turn::InOrder);
    assert!(!health.begins(now + SECOND / 2), "another one waits for it already");
    assert_eq!(health.turn(now + SLOW, None), Turn::Later);
    health.ends(now);
    assert_eq!(health.turn(now + SLOW, None), Turn::Later);
    health.reached(now + SLOW * 2);
    assert_eq!(health.turn(now + SLOW * 2, None), Turn::InOrder, "it has answered another one");
    health.ends(now);
    assert_eq!(health.turn(now + SECOND * 100, None), Turn::InOrder);
    assert!(health.is_quiet());
}

#[test]
fn checks_say_up_and_down_after_so_many_in_a_row() {
    let (mut health, now) = new();
    health.check_by(Some(Thresholds { rise: 2, fall: 3 }), now);
    assert_eq!(health.checked(Ok(()), now).unwrap().now, State::Up, "the first answer is believed");
    let bad = Err(Cause::Refused);
    for result in [bad, bad, Ok(()), bad, bad] {
        assert_eq!(health.checked(result, now), None);
        assert_eq!(health.turn(now, FAILBACK), Turn::InOrder);
    }
    assert_eq!(health.checked(bad, now).unwrap().why, Some(Cause::Refused));
    assert_eq!(health.turn(now, None), Turn::Down);
    for result in [bad, Ok(()), bad, Ok(())] {
        assert_eq!(health.checked(result, now), None);
    }
    assert_eq!(health.checked(Ok(()), now).unwrap().now, State::Up);
    assert_eq!(health.turn(now, None), Turn::InOrder);
    assert_eq!(health.turn(now, FAILBACK), Turn::Later);
}

#[test]
fn where_there_are_checks_a_connection_changes_the_turn_but_not_the_state() {
    let (mut health, now) = new();
    health.check_by(Some(Thresholds { rise: 2, fall: 3 }), now);
    health.checked(Ok(()), now);
    assert_eq!(health.missed(Cause::Reset, now, now), None);
    assert_eq!((health.state, health.turn(now, None)), (State::Up, Turn::Last));
    assert_eq!(health.turn(now + PAUSE, None), Turn::InOrder);
    for _ in 0..3 {
        health.checked(Err(Cause::Refused), now);
    }
    assert_eq!(health.reached(now), None);
    assert_eq!(health.state, State::Down);
    health.check_by(None, now);
    assert_eq!(
        (health.state, health.checked(Ok(()), now)),
        (State::Unknown, None),
        "there are no checks any more"
    );
}

#[test]
fn a_check_that_fails_for_no_fault_of_the_address_says_nothing() {
    let (mut health, now) = new();
    health.check_by(Some(Thresholds { rise: 1, fall: 1 }), now);
    health.checked(Ok(()), now).unwrap();
    for cause in [Cause::OurCertificateRefused, Cause::NoResources, Cause::WrongName] {
        assert_eq!(health.checked(Err(cause), now), None);
        assert_eq!((health.state, health.why), (State::Up, Some(cause)));
    }
}

#[test]
fn a_reload_that_changes_nothing_of_a_check_lets_its_count_go_on() {
    let (mut health, now) = new();
    let thresholds = Some(Thresholds { rise: 2, fall: 3 });
    health.check_by(thresholds, now);
    health.checked(Ok(()), now).unwrap();
    for _ in 0..2 {
        assert_eq!(health.checked(Err(Cause::Refused), now), None);
        assert_eq!(health.check_by(thresholds, now), None);
    }
    assert_eq!(health.checked(Err(Cause::Refused), now).unwrap().now, State::Down);
    let change = health.check_by(None, now).unwrap();
    assert_eq!((change.before.0, change.now), (State::Down, State::Unknown), "it is told");
}

#[test]
fn an_only_address_that_flaps_under_requests_changes_state_seldom() {
    let (mut health, now) = new();
    let mut changes = 0;
    // An only address is dialled for every request, whatever its turn is.
    for second in 0..600_u32 {
        let at = now + SECOND * second;
        let change = if second % 2 == 0 { health.reached(at) } else { health.missed(Cause::Refused, at, at) };
        changes += u32::from(change.is_some());
    }
    assert!(changes <= 30, "{changes}");
    assert_eq!(health.turn(now + SECOND * 600, None), Turn::Last);
    health.reached(now + SECOND * 600);
    assert_eq!(health.turn(now + SECOND * 601, None), Turn::Later, "it is down, and others come first");
    assert_eq!(health.reached(now + SECOND * 670).unwrap().now, State::Up);
    assert_eq!(health.turn(now + SECOND * 670, None), Turn::InOrder);
}

#[test]
fn an_address_that_flaps_every_second_changes_state_seldom() {
    let (mut health, now) = new();
    let mut changes = 0;
    for second in 0..600_u32 {
        let at = now + SECOND * second;
        if health.turn(at, None) == Turn::InOrder {
            let change =
                if second % 2 == 0 { health.reached(at) } else { health.missed(Cause::Refused, at, at) };
            changes += u32::from(change.is_some());
        }
    }
    assert!(changes <= 30, "{changes}");
}

#[test]
fn a_dead_address_never_stands_beside_one_that_is_slow_or_has_failed_once() {
    let (mut dead, now) = new();
    dead.check_by(Some(Thresholds { rise: 2, fall: 1 }), now);
    dead.checked(Err(Cause::TimedOut), now);
    let (mut failed, mut slow) = (AddressHealth::new(now), AddressHealth::new(now));
    failed.missed(Cause::TimedOut, now, now);
    slow.begins(now);
    // An address without checks made other connections wait.
    let mut silent = AddressHealth::new(now);
    silent.missed(Cause::TimedOut, now, now + SLOW);
    let turns = [&mut slow, &mut failed, &mut silent, &mut dead].map(|one| one.turn(now + SLOW, FAILBACK));
    assert_eq!(turns, [Turn::Later, Turn::Last, Turn::Silent, Turn::Down]);
}

#[test]
fn checks_that_cannot_tell_leave_it_to_connections() {
    let (mut health, now) = new();
    health.check_by(Some(Thresholds { rise: 2, fall: 1 }), now);
    assert_eq!(health.checked(Err(Cause::Refused), now).unwrap().now, State::Down);
    assert_eq!(health.reached(now), None, "checks say how it is");
    assert_eq!(health.checked(Err(Cause::WrongName), now), None);
    assert_eq!(health.turn(now, None), Turn::InOrder);
    assert_eq!(health.reached(now + SECOND).unwrap().now, State::Up);
    assert_eq!(health.checked(Err(Cause::Refused), now + SECOND).unwrap().now, State::Down);
}

#[test]
fn a_failure_that_began_before_the_address_came_back_is_no_news() {
    let (mut health, now) = new();
    health.missed(Cause::TimedOut, now, now + SECOND * 5);
    assert_eq!(health.reached(now + SECOND * 20).unwrap().now, State::Up);
    assert_eq!(health.missed(Cause::TimedOut, now + SECOND * 16, now + SECOND * 21), None);
    assert_eq!((health.state, health.turn(now + SECOND * 22, None)), (State::Up, Turn::InOrder));
    assert!(health.missed(Cause::TimedOut, now + SECOND * 21, now + SECOND * 26).is_some());
}

/// Issue 20, item 2: a PBX to which all phones connect at once leaves some segments unanswered.
#[test]
fn item_2_a_failure_during_which_others_were_reached_is_no_news() {
    let (mut health, now) = new();
    health.reached(now);
    health.reached(now + SECOND * 4);
    assert_eq!(health.missed(Cause::TimedOut, now + SECOND * 2, now + SECOND * 7), None);
    assert_eq!((health.state, health.turn(now + SECOND * 7, None)), (State::Up, Turn::InOrder));
    assert!(health.missed(Cause::TimedOut, now + SECOND * 5, now + SECOND * 10).is_some());
}

#[test]
fn an_address_that_is_reached_all_the_time_is_noted_now_and_then() {
    let (mut health, now) = new();
    assert!(health.is_news(now));
    health.reached(now);
    assert!(!health.is_news(now + SECOND / 2) && health.is_news(now + SECOND));
    health.missed(Cause::Refused, now, now);
    assert!(health.is_news(now));
}

#[test]
fn a_try_that_could_not_tell_is_given_to_the_next_one() {
    let (mut health, now) = new();
    health.missed(Cause::Refused, now, now);
    let later = now + PAUSE;
    assert_eq!([0, 1].map(|_| health.turn(later, None)), [Turn::InOrder, Turn::Last]);
    health.begins(later);
    health.ends(later);
    assert_eq!([0, 1].map(|_| health.turn(later, None)), [Turn::InOrder, Turn::Last]);
}

#[test]
fn other_numbers_of_checks_are_no_new_beginning() {
    let (mut health, now) = new();
    health.check_by(Some(Thresholds { rise: 2, fall: 3 }), now);
    for fall in [4, 3] {
        health.checked(Err(Cause::Refused), now);
        health.check_by(Some(Thresholds { rise: 2, fall }), now);
    }
    assert_eq!(health.checked(Err(Cause::Refused), now).unwrap().now, State::Down);
}
