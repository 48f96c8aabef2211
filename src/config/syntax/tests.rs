//! Mistakes of administrators. Each gives one error.

use super::*;

/// The diagnostics of a text: the words that are meant, and the message.
fn said(text: &str) -> Vec<(String, String)> {
    let mended = mend(text);
    assert_eq!(mended.text.len(), text.len());
    let one = |mistake: &Mistake| (text[mistake.span.clone()].to_owned(), mistake.fault.message().to_owned());
    mended.mistakes.iter().map(one).collect()
}

/// The only diagnostic of a text: the words that are meant, and the message.
fn only(text: &str) -> (String, String) {
    let mut said = said(text);
    assert_eq!(said.len(), 1, "{text:?}: {said:?}");
    said.remove(0)
}

#[test]
fn item_24_values_without_quotes() {
    for value in [
        "10.10.1.2",
        "pbx.example.net",
        "10.0.0.0/8",
        "5m",
        "64KiB",
        "/PBX0/APPS",
        "*.example.net",
        "[::1]:5060",
        "10.10.1.2:80",
        "a b",
    ] {
        let (place, message) = only(&format!("[[host]]\ntarget = {value} # x\nldap = true\n"));
        if !value.starts_with('[') {
            assert_eq!((place.as_str(), message.as_str()), (value, "this value needs quotes"));
        }
    }
    for value in ["True", "yes", "OFF", "No"] {
        assert_eq!(only(&format!("ldap = {value}")).1, format!("`{value}` is no value that TOML knows"));
    }
    assert_eq!(only("a = [10.10.1.2, 10.10.1.3]\nb = 1").0, "10.10.1.2");
    assert_eq!(only("a = [\n  REGISTER,\n  INVITE,\n]").0, "REGISTER");
    assert_eq!(only("a = { path = /a, tcp = 80 }").0, "/a");
    assert_eq!(only("a = b.de\"\nc = 1").0, "b.de");
    assert_eq!(only("a = 080").1, "a number does not begin with 0");
}

#[test]
fn item_24_brackets_and_quotes() {
    let host = "[[host]]\nname = \"b\"\nsip = true\n";
    for (text, place) in [
        ("a = [\n\"b\",\n\"c\"\nd = 1\ne = [1]\nf = { g = 1 }\n", "["),
        ("a = [\n\"b\",\n", "["),
        ("a = [ { path = \"/a\", { path = \"/b\" } ]\n", "{"),
        ("a = { tcp = 5060\nb = true\n", "{"),
        ("a = \"b\n", ""),
        ("a = [\"b\", \"c]\n", ""),
        ("a = '''b\n", "'"),
    ] {
        let text = format!("{text}{}", host.repeat(12));
        assert_eq!(only(&text).0, place, "{text}");
        // The text after the mistake is read.
        if !text.contains("'''") {
            assert!(mend(&text).text.ends_with(host));
        }
    }
    for header in ["[[host]", "[host]]", "host]]", "[[host", "[ [host]]", "[[[host]]]"] {
        let (place, message) = only(&format!("{header}\nname = \"b\"\nsip = true\n{host}"));
        assert_eq!(
            (place.as_str(), message.as_str()),
            (header, "the brackets around a table's name do not belong together")
        );
    }
    assert_eq!(only("a = [\"/a\" \"/b\"]").1, "a comma is missing before this");
    assert_eq!(only("a = { b = 1 c = 2 }").1, "a comma is missing before this");
    assert_eq!(only("a = [1,, 2]").1, "there is a comma too many");
    assert_eq!(only("a = [1]]").1, "nothing may follow the value on its line");
}

#[test]
fn item_24_other_languages() {
    assert_eq!(only("name: \"b\"").1, "there is no `=` between `name` and its value");
    assert_eq!(only("name := \"b\"").1, "there is no `=` between `name` and its value");
    assert_eq!(only("name \"b\"").1, "there is no `=` between `name` and its value");
    assert_eq!(only("a = { path: \"/b\" }").1, "there is no `=` between `path` and its value");
    assert_eq!(only("a = { tcp: 389 }").0, ":");
    assert_eq!(only("a = [ { tcp: 389, tls: 636 } ]").0, ":");
    assert_eq!(only("name == \"b\"").1, "only one `=` stands between `name` and its value");
    assert_eq!(only("name = \nb = 1").1, "`name` has no value");
    assert_eq!(only("name\nb = 1").1, "`name` has no value");
    assert_eq!(only("a = 90;").1, "nothing may follow the value on its line");
    assert_eq!(only("a = \"b\", \"c\"").1, "nothing may follow the value on its line");
    assert_eq!(only("a = true,\nb = false").1, "nothing may follow the value on its line");
    assert_eq!(only("// a\nb = 1").1, "this is neither a key with its value nor a table");
    assert_eq!(only("```toml\nb = 1").1, "this is a mark of Markdown, and does not belong here");
    assert_eq!(only("<<<<<<< HEAD\nb = 1").1, "this is a mark of a merge, and does not belong here");
    assert_eq!(only("[a] b = 1\nc = 1").1, "nothing may follow a table's name on its line");
    assert_eq!(only("[target.pbx/1]\nc = 1").1, "this cannot be the name of a table");
    assert_eq!(only("a = \"C:\\dir\"").0, "\\d");
    assert_eq!(only("a = \"b\u{1}\"").1, "this is a control character (U+0001), which no text has");
    assert_eq!(only("a = \"b\0\"").1, "this is a NUL character, which no text has");
}

#[test]
fn item_24_the_first_of_two() {
    for (text, first) in [
        ("a = 1\nb = 2\na = 3", "a"),
        ("[a]\nx = 1\n[ a ]\nx = 2", "[a]"),
        ("[target.\"[::1]\"]\n[target.'[::1]']", "[target.\"[::1]\"]"),
        ("[[host]]\na = 1\n[[host]]\na = 2\nba = 4\na = 3", "a"),
        ("a = { tcp = 1, ctcp = 3, tcp = 2 }", "tcp"),
    ] {
        let mended = mend(text);
        let [mistake] = &mended.mistakes[..] else { panic!("{text}: {:?}", mended.mistakes) };
        let (place, _) = mistake.other.clone().expect("the first is shown");
        assert!(place.end <= mistake.span.start, "{text}");
        assert_eq!(&text[place.clone()], first);
        assert!(mended.doubtful.is_empty());
    }
    let text = "[[host]]\na = 1\n[[host]]\na = 2\nb = 4\na = 3";
    assert_eq!(mend(text).mistakes[0].other.as_ref().map(|(place, _)| place.start), text.find("a = 2"));
}

#[test]
fn several_mistakes_are_all_named() {
    let text = "[[host]\na = 1\n[[host]]\nb = x.y\nc = [\n1\nd = 1\n[[host]]\ne = 1\ne = 2\nf: 3\n";
    let places: Vec<String> = said(text).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["[[host]", "x.y", "[", "e", ":"]);
}

/// A log file that was put into the folder of rules.
#[test]
fn item_24_what_is_no_configuration_at_all_is_given_up() {
    for line in ["Nov 26 05:55:46 host portward[12]: REVERSE-PROXY 12\n", "a = [\n", "a = 1\n", "[a]\n"] {
        let text = line.repeat(20_000);
        let mended = mend(&text);
        assert_eq!(mended.mistakes.len(), MOST + 1, "{line}");
        assert!(mended.mistakes[MOST].fault.message().starts_with("there are too many mistakes"));
        assert!(mended.text.trim().is_empty());
    }
}
