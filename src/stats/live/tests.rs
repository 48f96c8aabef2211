use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

use super::*;

fn opening(id: u64) -> Opening {
    let client = format!("192.0.2.{}:{}", id % 7, 1000 + id).parse().unwrap();
    let service = Service::ALL[usize::try_from(id).unwrap() % 4];
    Opening { id, client, service, carrier: Carrier::Tls }
}

fn numbers(page: &Page) -> Vec<u64> {
    page.connections.iter().map(|connection| connection.opening.id).collect()
}

#[test]
fn pages_are_sorted_by_number_over_all_workers() {
    let stats = Arc::new(Stats::of_workers(3));
    let mut open: Vec<_> =
        (1..=2_000).map(|id| stats.register(u16::try_from(id * 7 % 3).unwrap(), opening(id))).collect();
    assert_eq!(stats.count(), 2_000);
    let (mut seen, mut after) = (Vec::new(), 0);
    for _ in 0..30 {
        let page = stats.connections(&Filter::default(), after, 100);
        assert!(page.connections.len() <= 100);
        seen.extend(numbers(&page));
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(seen, (1..=2_000).collect::<Vec<_>>());
    // An ended connection leaves its place to a new one.
    open.retain(|one| one.0.id % 2 == 0);
    assert_eq!(numbers(&stats.connections(&Filter::default(), 10, 3)), [12, 14, 16]);
    let places = stats.shard(0).places.len();
    open.extend((3_001..3_200).map(|id| stats.register(0, opening(id))));
    assert_eq!(stats.shard(0).places.len(), places);
    assert_eq!(numbers(&stats.connections(&Filter::default(), 2_999, 2)), [3_001, 3_002]);
    drop(open);
    assert_eq!((stats.count(), stats.shard(0).places.len()), (0, 0), "memory of a flood is given back");
}

#[test]
fn filters_hold_together() {
    let stats = Arc::new(Stats::of_workers(1));
    let open: Vec<_> = (1..=28).map(|id| stats.register(0, opening(id))).collect();
    let target = "172.31.31.2:5061".parse().unwrap();
    open[4].set_route([b"", b"ckl@hq.example"], "*.example", "ok(ckl)", target);
    let of = |filter| numbers(&stats.connections(&filter, 0, 100));
    let client = Some("192.0.2.5".parse().unwrap());
    assert_eq!(of(Filter { client, ..Filter::default() }), [5, 12, 19, 26]);
    assert_eq!(of(Filter { client, service: Some(Service::Sip), ..Filter::default() }), [5]);
    for host in ["HQ.example", "*.example"] {
        assert_eq!(of(Filter { host: Some(host.to_owned()), ..Filter::default() }), [5], "{host}");
    }
    assert_eq!(of(Filter { target: target.ip().to_string().parse().ok(), client, ..Filter::default() }), [5]);
    assert_eq!(of(Filter { host: Some("ckl".to_owned()), ..Filter::default() }), [0; 0]);
    let one = stats.connection(5).unwrap();
    assert_eq!((one.opening, one.route.identity()), (opening(5), "ckl@hq.example".to_owned()));
    assert_eq!(stats.connection(29), None);
}

#[test]
fn bytes_are_counted_as_they_go() {
    let stats = Arc::new(Stats::of_workers(2));
    let one = stats.register(1, opening(1));
    let mut meter = one.toward(None);
    meter.set([10, 20]);
    meter.set([10, 20]);
    one.add(Direction::Down, 5);
    one.count_request();
    let counted = || Direction::ALL.map(|way| stats.totals().bytes(opening(1).service, way));
    assert_eq!(counted(), [10, 25]);
    let shown = stats.connection(1).unwrap();
    assert_eq!((shown.bytes, shown.requests, one.bytes()), ([10, 25], 1, [10, 25]));
    drop(one);
    assert_eq!(counted(), [10, 25], "the end changes nothing of it");
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_connection_that_is_ended_by_its_number_is_woken_once() {
    let stats = Arc::new(Stats::of_workers(1));
    let one = stats.register(0, opening(1));
    let woken = Arc::new(Woken::default());
    let waker = woken.clone().into();
    let attended = Box::pin(one.attend()).as_mut().poll(&mut std::task::Context::from_waker(&waker));
    assert!(attended.is_ready());
    drop(waker);
    assert!(one.poll_ended().is_pending());
    assert!(stats.end(1) && !stats.end(1) && !stats.end(2));
    assert!(one.poll_ended().is_ready() && stats.connection(1).unwrap().is_ended);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    drop(one);
    assert!(!stats.end(1), "it is gone");
    assert_eq!(Arc::strong_count(&woken), 1, "nobody holds the task any more");
}

#[test]
fn the_first_answer_of_a_target_is_timed() {
    let stats = Arc::new(Stats::of_workers(1));
    let one = stats.register(0, opening(1));
    let target = "192.0.2.1:5061".parse().unwrap();
    let reached = stats.dialled_by(0).reached(target, Duration::from_millis(1));
    let mut meter = one.toward(Some(&reached));
    let count = || stats.totals().first_byte(opening(1).service).count();
    meter.set([0, 10]);
    one.asked(stats.now());
    one.add(Direction::Down, 5);
    meter.set([10, 15]);
    assert_eq!(count(), 0, "nobody has answered");
    meter.set([10, 16]);
    meter.set([10, 17]);
    assert_eq!(count(), 1);
    one.asked(stats.now());
    one.answered(None);
    one.answered(None);
    assert_eq!(count(), 2);
    assert_eq!(stats.target(target).first_byte.count, 1, "the second answer is another target's");
}

#[test]
fn a_connection_is_open_until_it_has_ended() {
    let stats = Arc::new(Stats::of_workers(2));
    let (one, two) = (stats.register(0, opening(1)), stats.register(1, opening(5)));
    let open = || {
        let totals = stats.totals();
        (totals.connections(Service::Sip, Carrier::Tls), totals.open(Service::Sip, Carrier::Tls))
    };
    one.set_client("198.51.100.1:7".parse().unwrap());
    assert_eq!(stats.connection(1).unwrap().opening.client, "198.51.100.1:7".parse().unwrap());
    assert_eq!(open(), (2, 2));
    drop(one);
    assert_eq!(open(), (2, 1));
    drop(two);
    assert_eq!(open(), (2, 0));
}

#[test]
fn a_connection_shows_what_carries_it_now() {
    let stats = Arc::new(Stats::of_workers(1));
    let one = stats.register(0, Opening { carrier: Carrier::Tcp, ..opening(2) });
    one.set_carrier(Carrier::Tls);
    assert_eq!(stats.connection(2).unwrap().opening.carrier, Carrier::Tls);
    let service = opening(2).service;
    drop(one);
    assert_eq!(stats.totals().open(service, Carrier::Tcp), 0, "it is counted as it came");
}

#[test]
fn a_target_is_asked_for_on_any_port_or_on_one() {
    let is = |asked: &str, target: &str| asked.parse::<AtTarget>().unwrap().is(target.parse().unwrap());
    for (asked, target, expected) in [
        ("192.0.2.1", "192.0.2.1:5060", true),
        ("192.0.2.1:5060", "192.0.2.1:5060", true),
        ("192.0.2.1:5061", "192.0.2.1:5060", false),
        ("192.0.2.2", "192.0.2.1:5060", false),
        ("2001:db8::1", "[2001:db8::1]:443", true),
        ("[2001:db8::1]", "[2001:db8::1]:443", true),
        ("[2001:db8::1]:443", "[2001:db8::1]:443", true),
        ("[2001:db8::1]:80", "[2001:db8::1]:443", false),
        ("::ffff:192.0.2.1", "192.0.2.1:5060", true),
    ] {
        assert_eq!(is(asked, target), expected, "{asked} {target}");
    }
    for wrong in ["", "x", "192.0.2.1:", "192.0.2.1:x", "host.example:80"] {
        assert!(wrong.parse::<AtTarget>().is_err(), "{wrong}");
    }
    assert_eq!("[2001:db8::1]:443".parse::<AtTarget>().unwrap().to_string(), "[2001:db8::1]:443");
}
