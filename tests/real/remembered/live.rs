//! `portward top`, in a pseudo-terminal whose screen is read.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::start;
use crate::harness::{Portward, Target, Wire, command, python, within};

/// A program in a terminal.
struct Terminal {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Terminal {
    /// `portward top` in a terminal of this size, with these environment variables.
    fn top(portward: &Portward, (columns, rows): (u16, u16), variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(python())
            .arg("tests/real/remembered/terminal.py")
            .args([columns.to_string(), rows.to_string()])
            .args([env!("CARGO_BIN_EXE_portward"), "top", "--config"])
            .arg(portward.config())
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env_remove("COLORTERM")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    fn tell(&mut self, what: &Value) -> Value {
        writeln!(self.input, "{what}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Waits until all of these texts are on the screen, and none of `without`. Returns the screen.
    fn shows(&mut self, texts: &[&str], without: &[&str]) -> String {
        let answer = self.tell(&json!({ "wait": texts, "without": without }));
        let lines: Vec<_> = answer["lines"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let screen = lines.join("\n");
        assert_eq!(answer["seen"], true, "{texts:?} without {without:?} in vain:\n{screen}");
        screen
    }

    fn press(&mut self, keys: &str) {
        self.tell(&json!({ "keys": keys }));
    }

    /// Waits until the program has ended, and checks that the terminal is restored. Returns its exit code.
    fn ends(&mut self) -> i64 {
        let answer = self.tell(&json!({ "end": true }));
        let raw = answer["raw"].as_str().unwrap();
        assert_eq!(answer["restored"], true, "the terminal's modes");
        assert!(raw.contains("\u{1b}[?1049h"), "it has drawn on a screen of its own");
        let (left, cursor) = (raw.rfind("\u{1b}[?1049l"), raw.rfind("\u{1b}[?25h"));
        assert!(left > raw.rfind("\u{1b}[?1049h"), "it has left that screen");
        assert!(cursor > raw.rfind("\u{1b}[?25l"), "the cursor is back");
        answer["code"].as_i64().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn setup(port: u16) -> Portward {
    let rules = format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {port} }}]\n"
    );
    start(Portward::rules(&rules))
}

fn traffic(portward: &Portward) {
    let mut wire = Wire::plain_from([127, 0, 0, 2].into(), portward.http);
    for _ in 0..5 {
        assert_eq!(wire.get("one.example.net", "/a").status(), 200);
    }
    let mut stranger = Wire::plain_from([127, 0, 0, 9].into(), portward.http);
    stranger.send("GET /\x1b[31m HTTP/1.1\r\nHost: nobody.example\r\n\r\n");
    stranger.rest();
}

/// Item 5, top: every pane, in the usual size and in a small one. The daemon goes away and comes back.
#[test]
fn the_live_view_shows_what_happens_and_outlives_the_daemon() {
    within(180, || {
        let web = Target::named("web");
        let portward = setup(web.port());
        let config = portward.config();
        let note = "\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}日本";
        let add = ["blacklist", "add", "203.0.113.9", "--note", note, "--config", config.to_str().unwrap()];
        assert_eq!(command(20, portward.dir(), &add).code, 0);
        traffic(&portward);
        let mut top = Terminal::top(&portward, (80, 24), &[]);
        top.shows(&["portward 0.1.0", "2 Decisions", "SERVICE", "h323", "1 listed", "q quit"], &[]);
        top.press("3");
        top.shows(&["HOST", "one.example.net"], &["CLIENT"]);
        top.press("4");
        top.shows(&["CLIENT", "127.0.0.2", "127.0.0.9"], &["one.example.net"]);
        top.press("\t");
        top.shows(&["LAST REASON", "127.0.0.9"], &["127.0.0.2"]);
        top.press("7");
        top.shows(&["203.0.113.9", "by hand: \\u{1b}[2J\\u{1b}]0;x\\u{7}\\u{202e}日本"], &[]);
        top.press("?");
        top.shows(&["another pane", "the other way round"], &["203.0.113.9"]);
        top.press("x3");

        top.tell(&json!({ "size": [40, 10] }));
        let small = top.shows(&["3/7 Hosts", "one.example.net", "q quit"], &["SERVICE"]);
        assert_eq!(small.lines().count(), 10, "{small}");
        top.tell(&json!({ "size": [140, 40] }));
        top.shows(&["SERVICE", "7 Blacklist", "127.0.0.2"], &[]);

        portward.terminate();
        top.shows(&["no Portward answers on", "asking again"], &[]);
        let portward = portward.restart();
        top.shows(&["portward 0.1.0"], &["no Portward answers on", "one.example.net"]);
        traffic(&portward);
        top.shows(&["one.example.net"], &[]);
        top.press("q");
        assert_eq!(top.ends(), 0);
    });
}

/// Item 5, top: the terminal is restored however the program ends, and `NO_COLOR` is obeyed.
#[test]
fn the_terminal_is_given_back() {
    within(120, || {
        let web = Target::named("web");
        let portward = setup(web.port());
        traffic(&portward);
        // SIGTERM, SIGINT, SIGHUP; then keys.
        for (signal, keys) in [(15, ""), (2, ""), (1, ""), (0, "\u{3}"), (0, "\u{1b}")] {
            let mut top = Terminal::top(&portward, (80, 24), &[]);
            top.shows(&["portward 0.1.0", "http"], &[]);
            if signal == 0 {
                top.press(keys);
            } else {
                top.tell(&json!({ "signal": signal }));
            }
            assert_eq!(top.ends(), 0, "{signal} {keys:?}");
        }
        for (variables, coloured) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
            let mut top = Terminal::top(&portward, (80, 24), variables);
            top.shows(&["portward 0.1.0"], &[]);
            top.press("5");
            top.shows(&["127.0.0.9", "malformed"], &[]);
            top.press("q");
            assert_eq!(top.ends(), 0);
            let raw = top.tell(&json!({ "end": true }))["raw"].as_str().unwrap().to_owned();
            let colour = raw.contains("\u{1b}[38;5;");
            assert_eq!(colour, coloured, "{variables:?}: {raw:?}");
        }
    });
}

/// Item 5, top: if the view cannot be shown, a message gives the reason and advice.
#[test]
fn top_says_why_it_cannot_be_shown() {
    within(60, || {
        let portward = setup(1);
        let config = portward.config();
        let config = config.to_str().unwrap();
        let output = command(20, portward.dir(), &["top", "--config", config]);
        assert_eq!(output.code, 1, "{output:?}");
        assert!(
            output.errors.contains("top needs a terminal") && output.errors.contains("--json"),
            "{output:?}"
        );
        assert!(!output.out.contains('\u{1b}'), "{output:?}");
        let json = command(20, portward.dir(), &["top", "--json", "--config", config]);
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert!(json["hosts"].is_array() && json["refused"].is_array(), "{json}");
        assert_eq!(command(20, portward.dir(), &["top", "--interval", "0"]).code, 2);

        let mut dumb = Terminal::top(&portward, (80, 24), &[("TERM", "dumb")]);
        dumb.shows(&["top needs a terminal whose cursor can be placed"], &[]);
        portward.terminate();
        portward.wait();
        let mut alone = Terminal::top(&portward, (80, 24), &[]);
        alone.shows(&["error: no Portward answers on", "help: is it running?"], &[]);
    });
}
