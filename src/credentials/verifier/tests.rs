use super::*;
use crate::credentials::Line;

/// The hash of `secret`, at bcrypt's least cost.
fn hash() -> Hash {
    let text = b"key:$2y$04$47KJ4q./HGOn/4EIQnbIWeMqmeBQ6QWVyXqQ6nGN0EhtlZKrrLG7K";
    Line::read(text).unwrap().hash().clone()
}

fn attempt(who: &str, password: &[u8], is_known: bool) -> Attempt {
    let password = Zeroizing::new(password.to_vec());
    Attempt { who: who.parse().unwrap(), hash: Hash::dummy(), is_known, password }
}

fn job(who: &str) -> (Job, Pending) {
    Job::of(attempt(who, b"", true))
}

/// A state with so many waiting attempts of each address. The receivers are kept.
fn waiting(counts: &[(&str, usize)]) -> (State, Vec<Pending>) {
    let (mut state, mut pending) = (State::default(), Vec::new());
    for (who, count) in counts {
        for _ in 0..*count {
            let (job, verdict) = job(who);
            assert!(state.admit(job).is_none());
            pending.push(verdict);
        }
    }
    (state, pending)
}

#[test]
fn a_wrong_login_is_answered_on_the_grid() {
    let asked = Instant::now();
    for (now, then) in [(0, 500), (1, 500), (499, 500), (500, 500), (501, 1000), (1000, 1500), (1700, 2000)] {
        let due = due(asked, asked + Duration::from_millis(now));
        assert!(due - asked == Duration::from_millis(then) || now % 500 == 0, "{now}");
        assert!(due >= asked + Duration::from_millis(now.max(500)));
    }
}

#[tokio::test]
async fn a_password_is_hashed_and_told_of() {
    let verifier = Verifier::default();
    let hash = hash();
    for (password, is_known, verdict) in [
        (b"secret".as_slice(), true, PasswordCheck::Right),
        (b"secret", false, PasswordCheck::Wrong),
        (b"other", true, PasswordCheck::Wrong),
    ] {
        let hash = hash.clone();
        let attempt = Attempt { hash, ..attempt("192.0.2.1", password, is_known) };
        assert_eq!(verifier.verify(attempt).await, verdict);
    }
}

#[test]
fn sixty_four_wait_and_no_more() {
    let (mut state, _pending) = waiting(&[("192.0.2.1", WAITING)]);
    let (late, _verdict) = job("192.0.2.1");
    assert!(state.admit(late).is_some());
    assert_eq!(state.waiting.len(), WAITING);
}

#[test]
fn one_address_does_not_keep_others_out() {
    let (mut state, _pending) = waiting(&[("192.0.2.1", WAITING)]);
    let crowd = CountedAddress::from("192.0.2.1".parse::<IpAddr>().unwrap());
    for _ in 0..WAITING / 2 {
        let (other, verdict) = job("192.0.2.2");
        assert_eq!(state.admit(other).unwrap().who, crowd);
        std::mem::forget(verdict);
    }
    let (other, _verdict) = job("192.0.2.2");
    assert_ne!(state.admit(other).unwrap().who, crowd, "each address has half of the places now");
    // All addresses of one /64 count as one.
    let (mut state, _pending) = waiting(&[("2001:db8::1", WAITING)]);
    let (other, _verdict) = job("2001:db8::2");
    assert_eq!(state.admit(other).unwrap().attempt.who, "2001:db8::2".parse::<IpAddr>().unwrap());
}

#[test]
fn of_an_address_two_are_at_work_and_others_come_first() {
    let (mut state, _pending) = waiting(&[("192.0.2.1", 4), ("192.0.2.2", 1), ("192.0.2.3", 1)]);
    let mut next = || state.next().map(|job| job.attempt.who.to_string());
    let order: Vec<_> = std::iter::from_fn(&mut next).collect();
    assert_eq!(order, ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1"]);
    state.done("192.0.2.1".parse::<IpAddr>().unwrap().into());
    assert!(state.next().is_some() && state.next().is_none());
}

#[test]
fn a_client_that_goes_frees_its_place() {
    let (mut state, mut pending) = waiting(&[("192.0.2.1", WAITING)]);
    drop(pending.remove(3));
    let (late, _verdict) = job("192.0.2.1");
    assert!(state.admit(late).is_none());
    assert_eq!(state.waiting.len(), WAITING);
    pending.clear();
    drop(_verdict);
    assert!(state.next().is_none() && state.waiting.is_empty());
}

#[test]
fn one_that_has_ended_its_side_waits_where_there_is_room() {
    let (mut state, pending) = waiting(&[("192.0.2.1", WAITING)]);
    pending[5].give_way();
    let (late, _verdict) = job("192.0.2.1");
    assert!(state.admit(late).unwrap().gives_way.load(Ordering::Relaxed));
    assert_eq!(state.waiting.len(), WAITING);
}

#[tokio::test]
async fn those_who_find_no_room_are_told_and_the_rest_gets_an_answer() {
    let verifier = Verifier::default();
    let pending: Vec<_> =
        (0..WAITING + 40).map(|_| verifier.verify(attempt("192.0.2.1", b"x", true))).collect();
    let (mut wrong, mut busy) = (0, 0);
    for verdict in pending {
        match verdict.await {
            PasswordCheck::Wrong => wrong += 1,
            PasswordCheck::Busy => busy += 1,
            PasswordCheck::Right => panic!(),
        }
    }
    assert!(wrong >= WAITING && busy > 0, "{wrong} {busy}");
    assert_eq!(verifier.waiting(), 0);
}

#[test]
fn nothing_shows_a_password() {
    let attempt = attempt("192.0.2.1", b"hunter2", true);
    assert_eq!(format!("{attempt:?}"), "Attempt { who: 192.0.2.1, .. }");
}
