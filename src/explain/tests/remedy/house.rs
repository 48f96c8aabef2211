//! A configuration in a folder, to which remedies are applied.

use std::path::PathBuf;

use super::super::*;
use crate::explain::remedy::{Remedy, TARGET};

/// The files in a folder.
pub(super) struct House {
    pub(super) folder: tempfile::TempDir,
}

impl House {
    pub(super) fn new(config: &str, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("rules/presets")).unwrap();
        std::fs::write(at("portward.toml"), format!("rules = \"rules\"\nstate = \"state\"\n{config}"))
            .unwrap();
        std::fs::write(at("rules/a.toml"), rules).unwrap();
        std::fs::write(
            at("rules/presets/apps.toml"),
            "http = [\n  { path = \"/PBX0/APPS\", tcp = 80, tls = 443 },\n]\n",
        )
        .unwrap();
        Self { folder }
    }

    pub(super) fn load(&self) -> Result<Everything, String> {
        config::load_all(&self.folder.path().join("portward.toml")).map_err(|found| found.render(false))
    }

    /// The explanation with the place of the remedy, as the commands show it.
    pub(super) fn explained(&self, given: &Everything, url: &str, client: &Client) -> Explanation {
        let mut explanation = answer(given, url, client);
        if let Some(file) = explanation.rules_file() {
            let text = std::fs::read_to_string(file).unwrap();
            explanation.has_read(Some(&text));
        }
        explanation
    }

    /// Applies a remedy. Returns the file and its previous text.
    pub(super) fn follow(&self, remedy: &Remedy, toml: &str) -> (PathBuf, Option<String>) {
        let file = remedy.file.clone().unwrap();
        let before = std::fs::read_to_string(&file).ok();
        let mut lines: Vec<_> = before.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
        match remedy.line.map(|line| usize::try_from(line).unwrap()) {
            None => lines.push(toml.to_owned()),
            Some(line) if remedy.words.contains("directly behind its bracket") => {
                lines[line - 1] = lines[line - 1].replacen('[', &format!("[{toml}"), 1);
            }
            Some(line) if remedy.words.contains("in place of line") => lines[line - 1] = toml.to_owned(),
            Some(line) => lines.insert(line, toml.to_owned()),
        }
        let end = if before.as_ref().is_some_and(|text| text.contains("\r\n")) { "\r\n" } else { "\n" };
        std::fs::write(&file, lines.join(end) + end).unwrap();
        (file, before)
    }

    /// Applies a remedy, asks again, and undoes it. `counted` is the number of hosts, paths and rules.
    pub(super) fn is_let_in(&self, remedy: &Remedy, url: &str, client: &Client, counted: &[usize; 3]) {
        let toml = remedy.toml.as_deref().unwrap();
        let whole = |toml: &str| {
            toml.replace(TARGET, "192.0.2.77")
                .replace("NAME OF THE HOST", "one.example")
                .replace("ID OF THE TENANT", "made")
        };
        if whole(toml) != toml {
            let (file, before) = self.follow(remedy, toml);
            let refused = self.load().map(|given| given.warnings.render(false));
            let is_refused = refused.as_ref().is_err_and(|text| text.contains("error"));
            assert!(is_refused, "a placeholder was accepted: {url} {remedy:?} {refused:?}");
            restore(&file, before);
        }
        let (file, before) = self.follow(remedy, &whole(toml));
        let given = self.load().unwrap_or_else(|errors| panic!("{url} {remedy:?}\n{errors}"));
        let again = answer(&given, url, client);
        assert!(matches!(again.verdict, Verdict::Forward { .. }), "{url} {remedy:?} {again:?}");
        assert_eq!(again.remedy, None);
        let now = count(&given);
        let more: usize = now.iter().zip(counted).map(|(now, before)| now - before).sum();
        assert!(more <= 2, "more than one thing was added: {url} {remedy:?} {counted:?} {now:?}");
        restore(&file, before);
    }
}

pub(super) fn restore(file: &PathBuf, before: Option<String>) {
    match before {
        Some(text) => std::fs::write(file, text).unwrap(),
        None => std::fs::remove_file(file).unwrap(),
    }
}

/// The number of hosts, HTTP paths, and rules of other services.
pub(super) fn count(given: &Everything) -> [usize; 3] {
    let hosts = || given.table.iter();
    [
        hosts().count(),
        hosts().map(|host| host.http_rules().count()).sum(),
        hosts().map(|host| host.rules().count()).sum(),
    ]
}
