use super::super::{Moment, Stats};
use super::*;
use crate::cause::FailedAt;

fn about(id: u64) -> About {
    let client = "192.0.2.1".parse().unwrap();
    About { id, client, port: 1234, service: Service::Http, carrier: Carrier::Tls }
}

fn request(target: &[u8]) -> Subject<'_> {
    Subject::Http { host: b"user:secret@hq.example", method: b"GET", target, version: "HTTP/1.1", user: b"" }
}

const FORWARDED: Fate =
    Fate::Forwarded { to: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 443), new: true };
const REFUSED: Fate = Fate::Rejected { reason: Reason::NoPath, cause: None };

fn numbers(decisions: &[Decision]) -> Vec<u64> {
    decisions.iter().map(|decision| decision.about.id).collect()
}

#[test]
fn a_decision_is_shown_as_its_line_was_without_its_secrets() {
    let stats = Stats::of_workers(1);
    stats.decide(0, about(1), request(b"/path?token=s3cret"), (REFUSED, stats.now()));
    let who = Subject::Signalling {
        who: b"ckl@hq.example",
        verb: b"REGISTER",
        name: b"x y",
        certificate: "ok(ckl)",
        unproven: None,
    };
    stats.decide(0, About { service: Service::Sip, ..about(2) }, who, (REFUSED, stats.now()));
    stats.decide(0, about(3), request(&[b'a'; 900]), (REFUSED, stats.now()));
    let page = stats.newest(|_| true, None, 10);
    let mut decisions = page.decisions;
    decisions.sort_by_key(|decision| decision.about.id);
    let [first, second, third] = &decisions[..] else { panic!("{decisions:?}") };
    assert_eq!(
        first.line(&[]).text(false),
        "REVERSE-PROXY 1 192.0.2.1 https://hq.example GET /path?… HTTP/1.1 rejected: no-path"
    );
    assert!(!String::from_utf8_lossy(&first.text).contains("s3cret"));
    assert!(!String::from_utf8_lossy(&first.text).contains("secret@"));
    assert_eq!(
        second.line(&[]).text(false),
        "REVERSE-PROXY 2 192.0.2.1 sips:ckl@hq.example REGISTER x%20y cert=ok(ckl) rejected: no-path"
    );
    assert!(third.is_cut() && !first.is_cut() && !second.is_cut());
    let Subject::Http { target, .. } = third.subject() else { panic!() };
    assert_eq!(target.len(), TEXT - b"hq.exampleGET".len());
}

#[test]
fn the_newest_of_both_kinds_are_kept_over_all_workers() {
    let stats = Stats::of_workers(3);
    let many = KEPT as u64 + 100;
    for id in 0..many {
        stats.decide(u16::try_from(id % 3).unwrap(), about(2 * id), request(b"/"), (FORWARDED, stats.now()));
    }
    for id in 0..10 {
        stats.decide(0, about(2 * id + 1), request(b"/"), (REFUSED, stats.now()));
    }
    let (mut seen, mut before) = (Vec::new(), None);
    for _ in 0..20 {
        let page = stats.newest(|_| true, before, 500);
        seen.extend(numbers(&page.decisions));
        before = page.next;
        if before.is_none() {
            break;
        }
        before = Cursor::parse(&before.unwrap().to_string());
    }
    assert_eq!(seen.len(), KEPT + 10);
    assert_eq!(seen[..10], [19, 17, 15, 13, 11, 9, 7, 5, 3, 1]);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), KEPT + 10, "each once");
    let refused = stats.newest(|one| one.is_refusal(), None, 3);
    assert_eq!((numbers(&refused.decisions), refused.next.is_some()), (vec![19, 17, 15], true));
    assert_eq!(Cursor::parse("1-x"), None);
}

#[test]
fn a_cursor_of_another_run_begins_with_what_comes() {
    let (long, stats) = (Stats::of_workers(1), Stats::of_workers(1));
    for id in 1..100 {
        long.decide(0, about(id), request(b"/"), (REFUSED, long.now()));
    }
    let mut cursor = long.follow();
    stats.decide(0, about(1), request(b"/"), (REFUSED, stats.now()));
    assert_eq!(
        (stats.news(&mut cursor, 10).missed, numbers(&stats.news(&mut cursor, 10).decisions)),
        (0, vec![])
    );
    stats.decide(0, about(2), request(b"/"), (REFUSED, stats.now()));
    assert_eq!(numbers(&stats.news(&mut cursor, 10).decisions), [2]);
}

#[test]
fn a_follower_that_lags_misses_decisions_and_knows_how_many() {
    let stats = Stats::of_workers(2);
    stats.decide(0, about(1), request(b"/"), (REFUSED, stats.now()));
    let (mut quick, mut slow) = (stats.follow(), stats.follow());
    let mut seen = Vec::new();
    let many = 2 * KEPT as u64 + 7;
    for id in 2..2 + many {
        stats.decide(u16::try_from(id % 2).unwrap(), about(id), request(b"/"), (REFUSED, stats.now()));
        if id % 1_000 == 0 {
            let news = stats.news(&mut quick, 10_000);
            assert_eq!((news.missed, news.more), (0, false));
            seen.extend(numbers(&news.decisions));
        }
    }
    seen.extend(numbers(&stats.news(&mut quick, 10_000).decisions));
    assert!(seen.is_sorted(), "in the order in which they fell");
    assert_eq!(seen.len() as u64, many);
    let news = stats.news(&mut slow, 100);
    assert_eq!((news.missed, news.decisions.len(), news.more), (many - KEPT as u64, 100, true));
    let rest = stats.news(&mut slow, 10_000);
    assert_eq!((rest.missed, rest.decisions.len(), rest.more), (0, KEPT - 100, false));
    assert_eq!(stats.news(&mut slow, 10).decisions.len(), 0);
}

#[test]
fn causes_what_failed_is_kept_even_behind_a_long_path() {
    let stats = Stats::of_workers(1);
    let failures: Vec<_> = (1..=8)
        .map(|last| Failure {
            at: FailedAt::Address(([192, 0, 2, last], 443).into()),
            cause: Cause::ALL[usize::from(last)],
        })
        .collect();
    let fate = Fate::Rejected { reason: Reason::TargetDown, cause: Some(Cause::Refused) };
    stats.decide_over(0, about(1), request(&[b'/'; 400]), (fate, stats.now(), &failures));
    stats.decide(0, about(2), request(b"/"), (REFUSED, stats.now()));
    let kept = stats.newest(|_| true, None, 2).decisions;
    assert_eq!(kept[0].failures(), []);
    let first = kept[1].failures();
    assert_eq!(first, failures[..first.len()]);
    assert!(first.len() >= 5 && kept[1].is_cut());
    let text = kept[1].line(&first).text(false);
    assert!(text.contains("https://hq.example GET ////") || text.contains("hq.example"), "{text}");
    assert!(text.contains(" rejected: target-down 192.0.2.1:443 no-route, 192.0.2.2:443 denied"), "{text}");
    let who = Subject::Signalling {
        who: b"ckl@hq",
        verb: b"REGISTER",
        name: b"",
        certificate: "ok(other)",
        unproven: Some(Cause::WrongName),
    };
    stats.decide(0, about(3), who, (FORWARDED, stats.now()));
    let kept = stats.newest(|_| true, None, 1).decisions;
    assert!(kept[0].line(&[]).text(false).ends_with("not proven: wrong-name"));
}

/// `admin.decisions = false`: kept decisions are gone at once, no more are kept, and all are still counted.
#[test]
fn item_2_decisions_that_are_not_to_be_kept_are_not() {
    let stats = Stats::of_workers(2);
    let decide = |id: u64| {
        let worker = u16::try_from(id % 2).unwrap();
        stats.decide(worker, about(id), request(b"/"), (REFUSED, stats.now()));
        stats.decide(worker, about(id), request(b"/"), (FORWARDED, stats.now()));
    };
    let ids = || -> Vec<u64> {
        let kept = stats.newest(|_| true, None, 1000).decisions;
        kept.iter().map(|one| one.about.id).collect()
    };
    (1..=70).for_each(decide);
    assert_eq!(ids().len(), 140);
    let old = stats.follow();
    stats.keep_decisions(false);
    assert!(ids().is_empty() && !stats.keeps_decisions());
    (71..=150).for_each(decide);
    assert!(ids().is_empty());
    assert_eq!(stats.totals().decisions(Service::Http, DecisionKind::Forwarded), 150, "they are counted");
    stats.keep_decisions(true);
    (151..=153).for_each(decide);
    assert_eq!(ids(), [153, 153, 152, 152, 151, 151]);
    assert!(stats.newest(|_| true, Some(old), 10).decisions.is_empty(), "a page of then is empty");
}

/// Pages are the newest first, over all workers.
#[test]
fn item_2_pages_are_in_the_order_of_time_whichever_worker_decided() {
    let stats = Stats::of_workers(3);
    for id in 1..=20 {
        let fate = if id % 2 == 0 { REFUSED } else { FORWARDED };
        stats.decide(u16::try_from(id % 3).unwrap(), about(id), request(b"/"), (fate, Moment(id)));
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = stats.newest(|_| true, after, 3);
        seen.extend(numbers(&page.decisions));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=20).rev().collect::<Vec<_>>());
}
