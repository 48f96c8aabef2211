//! The page has copies of lists of the daemon: reasons, services, outcomes, times. The page's files are only text to
//! the compiler, so these tests compare both.

use super::FILES;
use crate::admin::{events, query};
use crate::reason::Reason;
use crate::service::{Carrier, Service};
use crate::stats::{DecisionKind, STEP, STEPS};
use crate::tls;
use crate::upstream::State;

fn text(name: &str) -> &'static str {
    let file = FILES.iter().find(|file| file.name == name).unwrap_or_else(|| panic!("{name}"));
    str::from_utf8(file.content).unwrap()
}

/// The text in a file after `begin` and before `end`.
fn between(name: &str, begin: &str, end: &str) -> &'static str {
    let (_, rest) = text(name).split_once(begin).unwrap_or_else(|| panic!("{name} has no {begin}"));
    rest.split_once(end).unwrap().0
}

/// The strings in an array.
fn texts(name: &str, begin: &str) -> Vec<&'static str> {
    between(name, begin, "]").split('"').skip(1).step_by(2).collect()
}

/// The names of an object's fields.
fn keys(name: &str, begin: &str) -> Vec<&'static str> {
    let fields = between(name, begin, "}").split(',');
    fields.filter_map(|field| field.split_once(':')).map(|(key, _)| key.trim()).collect()
}

/// A whole number.
fn number(name: &str, begin: &str, end: &str) -> u64 {
    between(name, begin, end).trim().replace('_', "").parse().unwrap()
}

/// Every text between these two, anywhere in the page's scripts.
fn everywhere(begin: &str, end: &str) -> Vec<&'static str> {
    let scripts = FILES.iter().filter(|file| file.name.ends_with(".js"));
    let found = scripts.flat_map(|file| text(file.name).split(begin).skip(1));
    found.filter_map(|rest| rest.split_once(end)).map(|(found, _)| found).collect()
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

#[test]
fn issue_23_item_1_the_page_knows_every_reason_and_which_are_suspicious() {
    let suspicious = texts("reasons.js", "const SUSPICIOUS = [");
    let others = texts("reasons.js", "const OTHERS = [");
    let all = [suspicious.clone(), others].concat();
    assert_eq!(sorted(all), sorted(Reason::ALL.map(Reason::name).to_vec()));
    // These two count only if they end a connection.
    let always =
        |reason: &Reason| reason.suspicious() && !matches!(reason, Reason::OtherTarget | Reason::OtherName);
    let words: Vec<_> =
        keys("reasons.js", "const WORDS = {").iter().map(|key| key.trim_matches('"')).collect();
    assert_eq!(sorted(words), sorted(Reason::ALL.map(Reason::name).to_vec()));
    let wanted = Reason::ALL.into_iter().filter(always).map(Reason::name).collect();
    assert_eq!(sorted(suspicious), sorted(wanted));
}

#[test]
fn issue_23_item_1_the_page_knows_every_service_carrier_outcome_and_state() {
    assert_eq!(keys("format.js", "const SERVICE_NAMES = {"), Service::ALL.map(Service::name));
    assert_eq!(keys("format.js", "const CARRIER_NAMES = {"), Carrier::ALL.map(Carrier::name));
    let answered = keys("format.js", "const ANSWERED = {");
    let outcomes = [answered, vec!["forwarded", "rejected"]].concat();
    assert_eq!(sorted(outcomes), sorted(DecisionKind::ALL.map(DecisionKind::name).to_vec()));
    let states = sorted(State::ALL.map(State::name).to_vec());
    for begin in ["const RANK = {", "const kind = {"] {
        assert_eq!(sorted(keys("targets.js", begin)), states, "{begin}");
    }
}

#[test]
fn issue_23_item_1_the_curves_have_the_steps_of_the_history() {
    assert_eq!(number("history.js", "const STEPS = ", ";"), STEPS as u64);
    let spans = between("curve.js", "const SPANS = [", "]");
    assert_eq!(spans.rsplit(',').next().unwrap().trim().parse(), Ok(STEPS));
    assert_eq!(number("curve.js", "(span * ", ")"), STEP.as_secs());
}

#[test]
fn issue_23_item_1_the_page_warns_when_check_does() {
    let days = number("certificates.js", "const NEAR = ", "* DAY;");
    assert_eq!(days, tls::EXPIRY_WARNING.whole_days().unsigned_abs());
}

#[test]
fn issue_23_item_1_the_page_knows_every_event_and_waits_for_it() {
    let source = include_str!("../v1/decisions.rs");
    let kinds: Vec<_> =
        source.split("events.write(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(kinds.len() >= 3, "{kinds:?}");
    for kind in kinds {
        assert!(text("decisions.js").contains(&format!("kind === \"{kind}\"")), "{kind}");
    }
    // Two signs of life may be missing before the stream counts as lost.
    let silence = number("api.js", "const SILENCE = ", ";");
    assert!(u128::from(silence) >= 2 * events::QUIET.as_millis());
}

#[test]
fn issue_23_item_1_the_page_asks_for_no_more_rows_than_the_api_gives() {
    assert_eq!(number("table.js", "const MOST = ", ";"), query::LARGEST_PAGE as u64);
}

/// Every element that a script looks for is in the page, or a script makes it.
#[test]
fn issue_23_item_2_each_element_that_is_looked_for_is_there() {
    let in_page = text("index.html").split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let made = ["id: \"", "textField(\"", "select(\"", "serviceFilter(\""];
    let made = made.into_iter().flat_map(|begin| everywhere(begin, "\""));
    let there: Vec<_> = in_page.chain(made).collect();
    let wanted = [everywhere("byId(\"", "\""), everywhere("bodyOf(\"", "\"")].concat();
    assert!(wanted.len() > 30, "{wanted:?}");
    for id in wanted {
        assert!(there.contains(&id), "{id}");
    }
}

/// The links at the head of the page lead to its sections in order. The first section has the link in the head itself.
#[test]
fn issue_23_item_1_each_section_has_its_link() {
    let ids = |begin| text("index.html").split(begin).skip(1).map(|rest| rest.split('"').next().unwrap());
    let sections: Vec<_> = ids("<section id=\"").collect();
    let nav = between("index.html", "<nav", "</nav>");
    let links: Vec<_> = nav.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(sections.split_first().unwrap(), (&"wrong", &links[..]));
}

/// Every imported script is one of the page's files.
#[test]
fn issue_23_item_2_each_import_is_a_file_of_the_page() {
    for name in everywhere("from \"./", "\"") {
        assert!(FILES.iter().any(|file| file.name == name), "{name}");
    }
}
