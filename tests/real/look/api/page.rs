//! The curl lines of docs/api.md are run in their order. Each must have the status that the page shows. Each field that
//! the page shows must be there, with the same type.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::Busy;
use crate::harness::{program, within};

/// A block of the page: commands, and the shown answers.
#[derive(Debug, Default)]
struct Example {
    lines: Vec<String>,
    /// The status of each command. The last one is for all further commands.
    statuses: Vec<u16>,
    /// The shown first answer.
    json: Option<Value>,
    text: Option<String>,
}

impl Example {
    fn status(&self, number: usize) -> u16 {
        *self.statuses.get(number).or(self.statuses.last()).unwrap_or_else(|| panic!("no status: {self:?}"))
    }
}

/// The blocks of the page, in their order.
fn examples(page: &str) -> Vec<Example> {
    let mut all: Vec<Example> = Vec::new();
    let mut parts = page.split("\n```");
    let said = |all: &mut Vec<Example>, prose: &str| {
        if let (Some(line), Some(last)) =
            (prose.lines().find(|line| line.starts_with("Answers: ")), all.last_mut())
        {
            last.statuses = line.split('`').filter_map(|word| word.parse().ok()).collect();
        }
    };
    said(&mut all, parts.next().unwrap());
    while let (Some(block), Some(prose)) = (parts.next(), parts.next()) {
        let (kind, content) = block.split_once('\n').unwrap();
        match kind {
            "sh" => {
                let content = content.replace("\\\n", " ");
                let lines = content.lines().map(ToOwned::to_owned).collect();
                all.push(Example { lines, ..Example::default() });
            }
            "json" => {
                let json = serde_json::from_str(content).unwrap_or_else(|error| panic!("{error}: {content}"));
                all.last_mut().unwrap().json = Some(json);
            }
            "text" => all.last_mut().unwrap().text = Some(content.to_owned()),
            _ => {}
        }
        said(&mut all, prose);
    }
    all
}

/// Whether the shown value is in the real one. Of a list the page shows the first entry, and one real entry must match
/// it. A shown null matches everything.
fn holds(shown: &Value, real: &Value) -> Result<(), String> {
    match (shown, real) {
        (Value::Object(shown), Value::Object(real)) => shown.iter().try_for_each(|(name, shown)| {
            let real = real.get(name).ok_or_else(|| format!("there is no `{name}`"))?;
            holds(shown, real).map_err(|why| format!("{name}: {why}"))
        }),
        (Value::Array(shown), Value::Array(real)) => {
            let Some(first) = shown.first() else { return Ok(()) };
            let all: Vec<_> = real.iter().map(|real| holds(first, real)).collect();
            match all.iter().any(Result::is_ok) {
                true => Ok(()),
                false => Err(format!("no entry is as shown: {all:?}")),
            }
        }
        (Value::Null, _)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => Ok(()),
        _ => Err(format!("{shown} is shown, but it is {real}")),
    }
}

#[test]
fn issue_19_item_1_every_curl_line_of_the_page_answers_as_the_page_says() {
    within(180, || {
        program("curl", "curl");
        let page = fs::read_to_string("docs/api.md").unwrap();
        let busy = Busy::start();
        let (token, connection) = (busy.token(""), busy.connection());
        let answer = busy.portward.dir().join("answer");
        let mut seen = 0;
        for example in examples(&page) {
            for (number, line) in example.lines.iter().enumerate() {
                assert!(line.starts_with("curl "), "no curl line: {line}");
                let real = line
                    .replace("/run/portward/portward.sock", &busy.socket())
                    .replace("127.0.0.1:9400", &format!("127.0.0.1:{}", busy.port))
                    .replace("/4711", &format!("/{connection}"));
                // A stream has no end, so curl ends it.
                let time = if line.contains("follow=1") { 3 } else { 20 };
                let real = format!(
                    "{real} --silent --globoff --noproxy '*' --max-time {time} --output {} --write-out '%{{http_code}}'",
                    answer.display()
                );
                let mut shell = Command::new("sh");
                let said =
                    shell.args(["-c", &real]).env("TOKEN", &token).stdin(Stdio::null()).output().unwrap();
                let status = String::from_utf8_lossy(&said.stdout).into_owned();
                let content = fs::read_to_string(&answer).unwrap();
                assert_eq!(status, example.status(number).to_string(), "{line}: {content}");
                let is_first = example.status(number) == example.status(0);
                if let (true, Some(shown)) = (is_first, &example.json) {
                    let real = serde_json::from_str(&content).unwrap_or_else(|_| panic!("{line}: {content}"));
                    holds(shown, &real).unwrap_or_else(|why| panic!("{line}: {why}\n{content}"));
                }
                if let (true, Some(shown)) = (is_first, &example.text) {
                    assert!(content.contains(shown.trim_end()), "{line}: {content}");
                }
                let is_json = serde_json::from_str::<Value>(&content);
                assert!(
                    status.starts_with('2') || is_json.is_ok_and(|said| said["error"].is_string()),
                    "{line}"
                );
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen} lines");
    });
}

/// The page shows every resource of openapi.json.
#[test]
fn issue_19_item_1_the_page_shows_every_resource() {
    let page = fs::read_to_string("docs/api.md").unwrap();
    let described: Value = serde_json::from_str(&fs::read_to_string("docs/openapi.json").unwrap()).unwrap();
    for (path, item) in described["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "ID").replace("{address}", "ADDRESS").replace("{name}", "NAME");
        assert!(page.contains(&format!("`{path}`")), "{path}");
        let parameters = item["get"]["parameters"].as_array().into_iter().flatten();
        for name in parameters.filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap()) {
            assert!(
                page.contains(&format!("`{name}`")) || page.contains(&format!("{name}=")),
                "{path}: {name}"
            );
        }
    }
}
