//! The TOML of a remedy lets the request in, and nothing else.

mod house;

use super::*;
use house::{House, count};

const HOSTS: &str = r#"# The hosts, with [brackets] and "quotes" in a comment.
[[host]]
name = "one.example" # [[host]]
target = "192.0.2.1"
sip = true
ldap = true
http = [
  # the first
  "/apps", { path = "/soap/", tcp = 8080, tls = false }
]

[[host]]
name = "short.example"
target = "192.0.2.2"
http = ["/x"]

[[host]]
name = "preset.example"
target = "192.0.2.2"
preset = ["apps"]

[[host]]
name = "tables.example"
target = "192.0.2.3"
sip = false

[host.ldap]
tcp = 389
tls = false

[[host.http]]
path = "/a"

[[host.http]]
path = "/b"
target = ["192.0.2.4", "pbx.example"]

[[host]]
name = "nowhere.example"
http = [{ path = "/a", target = "192.0.2.5" }]

[[host]]
name = "example.net/branch"
target = "192.0.2.6"
h323 = { check_certificate = false }

[[host]]
name = "second.example"
target = "192.0.2.6"
ldap = true

[tenant.acme]
name = "ACME \"Ltd\""
target = "192.0.2.8"

[tenant.below]
parent = "acme"

[[host]]
name = "pbx.acme.example"
tenant = "acme"
http = [
  "/own",
  { path = "/t/{tenant}", strip = true, target = "192.0.2.9" },
]

[[host]]
name = "names.example"
http = [{ path = "/n/{tenant.name}" }, { path = "/i/{tenant}" }]
"#;

const NAMES: &[&str] = &[
    "one.example",
    "short.example",
    "preset.example",
    "tables.example",
    "nowhere.example",
    "second.example",
    "pbx.acme.example",
    "names.example",
    "new.example",
    "a-b_c.new.example",
    "192.0.2.200",
    "[2001:db8::9]:443",
    "xn--bcher-kva.example",
];

const PIECES: &[&str] = &[
    "apps",
    "/",
    "a",
    "t",
    "n",
    "i",
    "x",
    ".",
    "%",
    "%22",
    "\"",
    "]",
    "'",
    "%5D",
    "%0A",
    "%C3%BC",
    "{",
    "}",
    "{tenant}",
    ";",
    "=",
    ",",
    "#",
    "boaform",
    "own",
    "\\",
    "%27%5D",
    "~",
    "PBX0",
    "$",
    "*",
    "^",
    "|",
    "%7F",
    "%E2%80%AE",
    "+",
    "(",
    ")",
    " ",
];

/// A generator of numbers. The numbers are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

#[test]
fn issue_23_what_is_to_be_added_lets_in_what_was_refused_and_nothing_else() {
    let (mut dice, mut followed) = (Dice(5), [0_usize; 30]);
    for rules in [HOSTS.to_owned(), HOSTS.replace('\n', "\r\n")] {
        let house = House::new("", &rules);
        let given = house.load().unwrap();
        let counted = count(&given);
        for _ in 0..250 {
            let name = NAMES[dice.below(NAMES.len())];
            let pieces = |dice: &mut Dice, most| -> String {
                (0..dice.below(most)).map(|_| PIECES[dice.below(PIECES.len())]).collect()
            };
            let url = match dice.below(8) {
                0 => format!("sip:a@{}", name.trim_end_matches(":443")),
                1 => format!("sips:a@{}", name.trim_end_matches(":443")),
                2 => format!("h323:x@{}", name.trim_end_matches(":443")),
                3 => format!("https://names.example/n/x{}", pieces(&mut dice, 4).replace('/', "")),
                4 => {
                    let at = ["names.example/i", "pbx.acme.example/t"][dice.below(2)];
                    format!("https://{at}/id-{}", dice.below(1000))
                }
                5 => format!("https://{name}/{}", pieces(&mut dice, 7)),
                6 => format!("https://{name}/{}", "x".repeat(4096)),
                _ => format!("https://{name}/"),
            };
            let bind = Some(format!("{name}\\user")).filter(|_| dice.below(5) == 0);
            let url = if bind.is_some() { "ldap://".to_owned() } else { url };
            let client = Client { bind, ..Client::default() };
            let explanation = house.explained(&given, &url, &client);
            let Verdict::Rejected { reason, .. } = explanation.verdict else {
                assert_eq!(explanation.remedy, None, "{url}");
                continue;
            };
            let remedy = explanation.remedy.unwrap_or_else(|| panic!("{url}: no remedy for {reason}"));
            assert!(!remedy.words.is_empty() && remedy.file_to_read().is_none(), "{url} {remedy:?}");
            if remedy.toml.is_some() {
                followed[reason as usize] += 1;
                house.is_let_in(&remedy, &url, &client, &counted);
            }
        }
    }
    for reason in [Reason::UnknownHost, Reason::NoService, Reason::NoPath, Reason::UnknownTenant] {
        assert!(followed[reason as usize] > 20, "{reason}: {followed:?}");
    }
}

#[test]
fn issue_23_a_default_host_goes_to_its_place_in_portward_toml() {
    for (config, rules, toml, line) in [
        ("", "sip = true", "[sip]\ndefault_host = \"one.example\"", None),
        ("[sip] # phones\nsanity = true\n[log]\n", "sip = true", "default_host = \"one.example\"", Some(3)),
        ("[log]\n[sip]\n", "sip = true", "default_host = \"one.example\"", Some(4)),
        ("[sip]\ndefault_host = \"\"\n", "sip = true", "default_host = \"one.example\"", Some(4)),
        ("sip.sanity = true\n", "sip = true", "sip.default_host = \"one.example\"", Some(3)),
        (
            "sip.sanity = true\nsip.default_host = \"\"\n",
            "sip = true",
            "sip.default_host = \"one.example\"",
            Some(4),
        ),
        (
            "",
            "sip = true\n[[host]]\nname = \"two.example\"\ntarget = \"192.0.2.1\"\nsip = true",
            "[sip]\ndefault_host = \"NAME OF THE HOST\"",
            None,
        ),
    ] {
        let house = House::new(
            config,
            &format!("[[host]]\nname = \"one.example\"\ntarget = \"192.0.2.1\"\n{rules}\n"),
        );
        let given = house.load().unwrap();
        let url = "sip:anonymous@anonymous.invalid";
        let explanation = house.explained(&given, url, &Client::default());
        let remedy = explanation.remedy.unwrap();
        assert_eq!((remedy.toml.as_deref(), remedy.line), (Some(toml), line), "{config} {remedy:?}");
        house.is_let_in(&remedy, url, &Client::default(), &count(&given));
    }
    let house = House::new(
        "sip = { sanity = true }\n",
        "[[host]]\nname = \"one.example\"\ntarget = \"192.0.2.1\"\nsip = true\n",
    );
    let remedy = house
        .explained(&house.load().unwrap(), "sip:a@anonymous.invalid", &Client::default())
        .remedy
        .unwrap();
    assert!(remedy.line.is_none() && remedy.words.contains("by hand"), "{remedy:?}");
}

/// Hosts in another form, or in a file that has changed: the words say so, and no line is named.
#[test]
fn issue_23_no_line_is_named_that_is_not_known() {
    for (rules, url) in [
        (
            "host = [{ name = \"one.example\", target = \"192.0.2.1\", http = [\"/a\"] }]\n",
            "https://one.example/b",
        ),
        ("[tenant.a]\ntarget = \"192.0.2.1\"\nrealms = [\"one.example\"]\n", "https://one.example/b"),
        ("[tenant.a]\ntarget = \"192.0.2.1\"\nrealms = [\"one.example\"]\n", "ldap://one.example"),
    ] {
        let house = House::new("", rules);
        let remedy = house.explained(&house.load().unwrap(), url, &Client::default()).remedy.unwrap();
        assert!(remedy.line.is_none() && remedy.words.contains("by hand"), "{remedy:?}");
    }
    let house = House::new("", "[[host]]\nname = \"one.example\"\ntarget = \"192.0.2.1\"\nhttp = [\"/a\"]\n");
    let given = house.load().unwrap();
    for text in [None, Some(""), Some("[[host]]\nname = \"other.example\"\n"), Some("[[host]\nname = ")] {
        let mut explanation = answer(&given, "https://one.example/b", &Client::default());
        explanation.has_read(text);
        let remedy = explanation.remedy.unwrap();
        assert!(remedy.line.is_none() && remedy.words.contains("by hand"), "{text:?} {remedy:?}");
    }
}

/// A name with quotes, a bracket and a mark that changes the direction of text stays one string on one line. No name
/// has a control character, because such a path is unsafe.
#[test]
fn issue_23_a_hostile_name_is_the_text_of_one_string() {
    let house = House::new("", HOSTS);
    let given = house.load().unwrap();
    let url = "https://names.example/n/a%22%5D%20enabled%20=%20false%E2%80%AE%27";
    let remedy = house.explained(&given, url, &Client::default()).remedy.unwrap();
    let toml = remedy.toml.clone().unwrap();
    assert_eq!(toml.lines().nth(1), Some(r#"name = "a\"] enabled = false\U0000202E'""#));
    house.is_let_in(&remedy, url, &Client::default(), &count(&given));
    let unsafe_path = house.explained(&given, "https://names.example/n/a%0D%0Ax", &Client::default());
    assert!(unsafe_path.remedy.is_some_and(|remedy| remedy.toml.is_none()));
}

/// Every reason has its words. Reasons that do not come from the rules are part of the question.
#[test]
fn issue_23_each_reason_has_a_remedy() {
    let given = loaded("");
    for reason in Reason::ALL {
        let client = Client { refused: Some(reason), ..Client::default() };
        let remedy = answer(&given, "https://hq.dvl-ckl2.net/soap/a", &client).remedy;
        match reason.is_of_rules() {
            true => assert_eq!(remedy, None, "{reason}: these rules let it in"),
            false => {
                let remedy = remedy.unwrap();
                assert!(remedy.words.len() > 40 && remedy.toml.is_none(), "{reason} {remedy:?}");
            }
        }
    }
}

#[test]
fn issue_23_the_words_and_commands_of_other_refusals() {
    let policy = "[blacklist]\nblock = [\n  \"203.0.113.0/24\",\n  \"2001:db8:bad::/48\",\n]\n";
    let house = House::new(policy, RULES);
    let given = house.load().unwrap();
    let from = |address: &str, listing| Client {
        from: Some(From { address: address.parse().unwrap(), listing }),
        ..Client::default()
    };
    let nobody = Client::default;
    for (url, client, words, command, line) in [
        (
            "https://off.net/",
            nobody(),
            "Enable the host off.net",
            Some("portward host enable off.net"),
            Some(15),
        ),
        (
            "https://x.y/\u{1b}".trim_end_matches('\u{1b}'),
            from("198.51.100.7", listed()),
            "The entry is for 198.51.100.0/24",
            Some("portward blacklist remove 198.51.100.0/24"),
            None,
        ),
        (
            "https://x.y/",
            from("2001:db8:bad::7", Listing::NotListed),
            "Take 2001:db8:bad::/48 off",
            None,
            Some(6),
        ),
        ("sips:ckl@strict.example", nobody(), "has the name ckl", None, Some(34)),
        ("sip:ckl@strict.example", nobody(), "must come by TLS", None, Some(34)),
        ("https:///x", nobody(), "HTTP has no default", None, None),
        ("https://hq.dvl-ckl2.net/soap/../x", nobody(), "should not be let in", None, None),
        ("https://a..b/", nobody(), "should not be let in", None, None),
        (
            "https://new.example/boaform/admin/formLogin",
            nobody(),
            "looks like the login page of cheap routers",
            Some("portward host add new.example --target ADDRESS --http /boaform/admin/formLogin"),
            None,
        ),
        (
            "https://203.0.113.1/",
            nobody(),
            "asks for a bare address",
            Some("portward host add 203.0.113.1 --target ADDRESS --http /"),
            None,
        ),
        (
            "https://hq.dvl-ckl2.nett/a'b",
            nobody(),
            "If hq.dvl-ckl2.net is meant",
            Some(r"portward host add hq.dvl-ckl2.nett --target ADDRESS --http '/a'\''b'"),
            None,
        ),
        ("https://hq.dvl-ckl2.net/a/index.php", nobody(), "looks like a PHP program", None, Some(5)),
        ("https://hq.dvl-ckl2.net/a%3Bb", nobody(), "No rule is for exactly this path", None, None),
    ] {
        let explanation = house.explained(&given, url, &client);
        let remedy = explanation.remedy.as_ref().unwrap_or_else(|| panic!("{url}: {explanation:?}"));
        assert!(remedy.words.contains(words), "{url}: {remedy:?}");
        assert_eq!((remedy.command.as_deref(), remedy.line), (command, line), "{url}: {remedy:?}");
        let text = Text(&explanation).to_string();
        assert!(text.contains(&format!("\n  let in  {}", remedy.words)), "{text}");
    }
    // The words name the target's address.
    let client = Client { refused: Some(Reason::TargetDown), ..nobody() };
    let remedy = answer(&given, "sip:a@dvl-ckl2.net", &client).remedy.unwrap();
    assert_eq!(remedy.command.as_deref(), Some("portward check --connect"));
}
