//! Presets: the properties of a kind of PBX, above all its paths. There are shipped presets and the site's own.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::report::{Fault, Report};
use super::super::suggest;
use super::super::tree::Node;
use super::super::values::max_message;
use super::super::walk::{Section, Value};
use super::files::{File, Lines};
use super::paths::{self, KnownPaths};
use super::ports;
use crate::rules::{Preset, PresetPath};
use crate::service::Service;

/// The presets that are in the binary.
const SHIPPED: [(&str, &str); 13] = [
    ("innovaphone-pbx.toml", include_str!("../../../rules/presets/innovaphone-pbx.toml")),
    ("innovaphone-soap.toml", include_str!("../../../rules/presets/innovaphone-soap.toml")),
    ("innovaphone-operator.toml", include_str!("../../../rules/presets/innovaphone-operator.toml")),
    ("innovaphone-oauth2.toml", include_str!("../../../rules/presets/innovaphone-oauth2.toml")),
    ("innovaphone-mypbx.toml", include_str!("../../../rules/presets/innovaphone-mypbx.toml")),
    ("innovaphone-ap.toml", include_str!("../../../rules/presets/innovaphone-ap.toml")),
    ("asterisk.toml", include_str!("../../../rules/presets/asterisk.toml")),
    ("asterisk-phoneprov.toml", include_str!("../../../rules/presets/asterisk-phoneprov.toml")),
    ("freeswitch.toml", include_str!("../../../rules/presets/freeswitch.toml")),
    ("freeswitch-verto.toml", include_str!("../../../rules/presets/freeswitch-verto.toml")),
    ("3cx.toml", include_str!("../../../rules/presets/3cx.toml")),
    ("3cx-provisioning.toml", include_str!("../../../rules/presets/3cx-provisioning.toml")),
    ("kamailio.toml", include_str!("../../../rules/presets/kamailio.toml")),
];

/// The name of the folder of the shipped presets in messages.
const BUILT_IN: &str = "built-in:presets";

/// The shipped presets as files.
pub(super) fn shipped() -> impl Iterator<Item = File> {
    SHIPPED.iter().map(|(name, text)| File {
        path: PathBuf::from(BUILT_IN).join(name),
        text: Arc::new((*text).to_owned()),
    })
}

/// All presets by name.
#[derive(Debug, Default, Clone)]
pub(super) struct Presets {
    by_name: BTreeMap<Box<str>, Arc<Preset>>,
    /// Whether some files may not be read. Then there may be more presets.
    pub(super) is_unread: bool,
}

impl Presets {
    /// Reads one preset's file.
    pub(super) fn read(&mut self, index: u16, file: &File, report: &Report<'_>) {
        let document = report.parse();
        let mut root = Section::new(report, "a preset", 0..0, &document);
        let mut lines = Lines::new(index, &file.text);
        let mut paths: Vec<PresetPath> = Vec::new();
        let mut places = KnownPaths::default();
        let wanted = "a list of paths";
        let http = root.get("http");
        let max_message = root.read("max_message", None, |value| max_message(value).map(Some));
        if http.is_none() && max_message.is_none() && report.is_silent() {
            root.warn_here(Fault::new(
                "the preset has neither http = [ … ] nor max_message: it says nothing",
            ));
        }
        for value in http.iter().flat_map(|value| value.list(wanted)) {
            paths.extend(preset_path(&value, &mut places, &mut lines));
        }
        root.finish(|key| match key {
            "host" | "target" => Some("a preset names no target; the target is that of the host".to_owned()),
            _ => None,
        });
        let name = name_of(&file.path);
        match self.by_name.entry(name.clone()) {
            Entry::Vacant(free) => drop(free.insert(Arc::new(Preset { name, paths, max_message }))),
            // A copy with the same content is no contradiction.
            Entry::Occupied(taken)
                if same(&taken.get().paths, &paths) && taken.get().max_message == max_message => {}
            Entry::Occupied(_) => name_is_taken(report, &name),
        }
    }

    /// The preset that `value` names.
    pub(super) fn get(&self, value: &Value<'_>) -> Option<Arc<Preset>> {
        let name = value.text("the name of a preset")?;
        let found = self.by_name.get(name).cloned();
        if found.is_none() {
            let known = || self.by_name.keys().map(|name| &**name);
            let mut fault = Fault::new(format!("there is no preset \"{name}\""));
            if let Some(near) = suggest::closest(name, known()) {
                fault = fault.label(format!("did you mean \"{near}\"?"));
            }
            fault = fault.help(format!("the presets are {}", known().collect::<Vec<_>>().join(", ")));
            value.error(if self.is_unread { fault.denied() } else { fault });
        }
        found
    }
}

/// Whether two presets have the same content, whatever their places are.
fn same(a: &[PresetPath], b: &[PresetPath]) -> bool {
    let said = |path: &PresetPath| (path.path.clone(), path.ports, path.redirect_https);
    a.iter().map(said).eq(b.iter().map(said))
}

fn name_is_taken(report: &Report<'_>, name: &str) {
    report.add_of_file(
        super::Severity::Error,
        Fault::new(format!("the name of the preset {name} is taken by a preset of Portward's own"))
            .help("give the file another name"),
    );
}

/// The file's name without `.toml`.
fn name_of(path: &Path) -> Box<str> {
    path.file_stem().unwrap_or_default().to_string_lossy().into()
}

fn preset_path(value: &Value<'_>, seen: &mut KnownPaths, lines: &mut Lines<'_>) -> Option<PresetPath> {
    let source = lines.source(value.report.base + value.inner().start);
    if let Node::String(_) = value.node {
        let path = paths::read(value)?;
        seen.path(value, Some(&path))?;
        let ports = ports::standard(Service::Http);
        return Some(PresetPath { path, ports, redirect_https: false, source });
    }
    let mut section =
        value.section("an entry of a preset", "a path, or a table { path = \"…\", tcp = …, tls = … }")?;
    let path = match section.get("path") {
        Some(path) => paths::read(&path),
        None => {
            value.error(Fault::new("the entry has no `path`"));
            None
        }
    };
    let ports = ports::read(&mut section, Service::Http, value);
    let redirect_https = section.read("redirect", false, |value| value.choice(&[("https", true)]));
    section.finish(|key| match key {
        "target" => Some("a preset has no target: the target is that of the host".to_owned()),
        "default" => Some("`default` belongs in an entry of a host's http list".to_owned()),
        _ => None,
    });
    let path = path?;
    seen.path(value, Some(&path))?;
    Some(PresetPath { path, ports: ports?, redirect_https, source })
}
