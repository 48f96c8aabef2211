//! Hosts and tenants that administrators have enabled or disabled, whatever the rules say. They are stored in the
//! folder of `state`, so that they survive reloads and restarts (contract section 8).
//!
//! | fault | at the start | at a reload | at `enable` and `disable` |
//! |---|---|---|---|
//! | the text is invalid, or the file cannot be read | error | error | error |
//! | the folder of `state` is out of reach, or has gone | warning | error | error |
//! | a host is in no rule | warning | warning | nothing |
//!
//! An error leaves everything as it is: the file, and what is in force. At the start a faulty file prevents the start,
//! as a faulty rules file does. Otherwise it would not be known which hosts are disabled, and disabled hosts would be
//! served. Portward replaces the file as a whole, so a power failure does not damage it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::config::{Diagnostic, Diagnostics, Kind, Location, Overrides, Severity, Switches};
use crate::files::{self, state_file};
use crate::rules::{Table, Tenant};

/// The file in the state folder.
const NAME: &str = "overrides.toml";

fn file(state: &Path) -> PathBuf {
    state.join(NAME)
}

/// Puts the stored states in force in `table`, and returns the faults of the file. After an error `table` is unchanged.
/// `before` is the table in force, if this is a reload.
pub(crate) fn apply(state: &Path, table: &mut Table, before: Option<&Table>) -> Diagnostics {
    if let Some(cause) = out_of_reach(state, before) {
        let message =
            format!("it cannot be told which hosts were enabled or disabled over the admin socket: {cause}");
        let mut found = Diagnostic::warning(message, Location::whole(file(state)));
        if before.is_some() {
            found.severity = Severity::Error;
        } else {
            found = found.help("every host is as the rules files say; reload when the folder can be read");
        }
        return std::iter::once(found).collect();
    }
    match Overrides::load(&file(state)) {
        Ok(overrides) => overrides.apply(table),
        Err(found) => found,
    }
}

/// Why the folder `state` does not show whether the file exists. At a start a missing folder counts as a new one. At a
/// reload a missing folder is a fault if states from it are in force.
fn out_of_reach(state: &Path, before: Option<&Table>) -> Option<String> {
    let is_overridden = |table: &Table| {
        table.iter().any(|host| host.own_enabled() != host.enabled_by_rules())
            || table.tenants().iter().any(|tenant| tenant.enabled() != tenant.enabled_by_rules())
    };
    match fs::symlink_metadata(file(state)) {
        Ok(_) => None,
        Err(error) if !files::is_absent(&error) => Some(error.to_string()),
        Err(_) if state.is_dir() || !before.is_some_and(is_overridden) => None,
        Err(_) => Some(format!("the folder {} is not there any more", state.display())),
    }
}

/// Stores in the folder `state` that the host called `name` is enabled or disabled. States that equal the rules are not
/// stored.
///
/// # Errors
/// The present file cannot be read or is damaged, or the new file cannot be written. The old file stays.
pub(crate) fn keep(state: &Path, table: &Table, name: &str, enabled: bool) -> Result<(), Diagnostics> {
    let file = file(state);
    let overrides = Overrides::load(&file)?;
    let mut switches = overrides.switches(table);
    let by_rules = table.named(name).map(|host| host.enabled_by_rules());
    switches.set(Kind::Host, name, Some(enabled).filter(|_| by_rules != Some(enabled)));
    write(&file, &overrides, &switches)
}

/// The same for tenants, by their ids. `None`: the tenant has gone for good, and its state is forgotten.
///
/// # Errors
/// As [`keep`].
pub(crate) fn keep_tenants<'i>(
    state: &Path,
    table: &Table,
    said: impl IntoIterator<Item = (&'i str, Option<bool>)>,
) -> Result<(), Diagnostics> {
    let mut said = said.into_iter().peekable();
    if said.peek().is_none() {
        return Ok(());
    }
    let file = file(state);
    let overrides = Overrides::load(&file)?;
    let mut switches = overrides.switches(table);
    for (id, enabled) in said {
        let by_rules = table.tenants().by_id(id).map(Tenant::enabled_by_rules);
        switches.set(Kind::Tenant, id, enabled.filter(|_| by_rules != enabled));
    }
    write(&file, &overrides, &switches)
}

/// Writes the file, unless its contents are the same already.
fn write(file: &Path, overrides: &Overrides, switches: &Switches) -> Result<(), Diagnostics> {
    if overrides.is_equal_to(switches) {
        return Ok(());
    }
    let written = state_file::put(file, |file| file.write_all(switches.to_string().as_bytes()));
    written.map(drop).map_err(|error| {
        let message = format!("the overrides {} cannot be written: {error}", file.display());
        std::iter::once(Diagnostic::error(message, Location::whole(file))).collect()
    })
}

/// Forgets the state of the host called `name`, because the host has gone for good.
///
/// # Errors
/// As [`keep`].
pub(crate) fn forget(state: &Path, table: &Table, name: &str) -> Result<(), Diagnostics> {
    let file = file(state);
    let overrides = Overrides::load(&file)?;
    let mut switches = overrides.switches(table);
    switches.set(Kind::Host, name, None);
    write(&file, &overrides, &switches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, load_rules};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn table(rules: &str) -> Table {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("rules.toml"), rules).unwrap();
        let config = Config::defaults(&dir.path().join("portward.toml"));
        let rules = load_rules(dir.path(), &config);
        rules.table.unwrap_or_else(|| panic!("{}", rules.diagnostics.render(false)))
    }

    const RULES: &str = "\
[[host]]
name = \"one.example\"
aliases = [\"uno.example\"]
target = \"192.0.2.1\"
ldap = true

[[host]]
name = \"*.example\"
target = \"192.0.2.1\"
ldap = true

[[host]]
name = \"off.example/branch\"
enabled = false
target = \"192.0.2.1\"
ldap = true
";

    /// The hosts that are disabled after a start.
    fn disabled(state: &Path, rules: &str) -> String {
        let mut table = table(rules);
        let found = apply(state, &mut table, None);
        assert_eq!(found.errors(), 0, "{}", found.render(false));
        let hosts = table.iter().filter(|host| !host.enabled()).map(|host| host.name().to_owned());
        hosts.collect::<Vec<_>>().join(" ")
    }

    fn text(state: &Path) -> String {
        fs::read_to_string(file(state)).unwrap().lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn item_6_what_is_kept_is_in_force_after_a_start() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let rules = table(RULES);
        assert_eq!(disabled(&state, RULES), "off.example/branch", "nothing is kept yet");
        keep(&state, &rules, "one.example", true).unwrap();
        assert!(!file(&state).exists(), "the rules say so");
        keep(&state, &rules, "one.example", false).unwrap();
        assert_eq!(text(&state), "[[host]]name = \"one.example\"enabled = false");
        keep(&state, &rules, "*.example", false).unwrap();
        assert_eq!(disabled(&state, RULES), "one.example *.example off.example/branch");
        keep(&state, &rules, "off.example/branch", true).unwrap();
        assert_eq!(disabled(&state, RULES), "one.example *.example");
        keep(&state, &rules, "one.example", true).unwrap();
        assert_eq!(disabled(&state, RULES), "*.example");
        assert!(!text(&state).contains("one.example"), "what the rules say is not repeated");
        assert_eq!(fs::metadata(file(&state)).unwrap().permissions().mode() & 0o777, 0o600);
        let head = fs::read_to_string(file(&state)).unwrap();
        assert!(head.starts_with("# Portward writes this file"), "{head}");
    }

    /// A state that the rules have adopted since is dropped when the file is written the next time, and not before.
    #[test]
    fn item_6_what_the_rules_say_as_well_is_dropped_at_the_next_write() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        keep(state, &table(RULES), "one.example", false).unwrap();
        keep(state, &table(RULES), "off.example/branch", true).unwrap();
        let others = RULES.replace("enabled = false", "enabled = true");
        assert_eq!(disabled(state, &others), "one.example");
        assert!(text(state).contains("off.example/branch"));
        keep(state, &table(&others), "*.example", false).unwrap();
        assert!(!text(state).contains("off.example/branch"), "{}", text(state));
        assert_eq!(disabled(state, &others), "one.example *.example");
        // A host that is missing for a while, comes back, or has another name is still disabled.
        let gone = others.replace("one.example", "two.example");
        keep(state, &table(&gone.replace("uno", "due")), "*.example", true).unwrap();
        assert_eq!(disabled(state, &others), "one.example");
        assert_eq!(disabled(state, &gone.replace("uno", "one")), "two.example");
    }

    #[test]
    fn item_6_names_lead_to_hosts_as_they_stand() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let said = |names: &str| {
            fs::write(file(state), names).unwrap();
            let mut table = table(RULES.replace("enabled = false", "").as_str());
            let found = apply(state, &mut table, None);
            let hosts = table.iter().filter(|host| !host.enabled()).map(|host| host.name().to_owned());
            let messages = found.list().iter().map(|found| found.message.clone());
            (hosts.collect::<Vec<_>>().join(" "), messages.collect::<Vec<_>>().join("; "))
        };
        let host = |name: &str, enabled: bool| format!("[[host]]\nname = \"{name}\"\nenabled = {enabled}\n");
        let good = |hosts: &str| (hosts.to_owned(), String::new());
        assert_eq!(said(&host("UNO.example.", false)), good("one.example"));
        assert_eq!(said(&host("*.example", false)), good("*.example"));
        // A wildcard is one host. A state for a single name under it is not possible.
        let (hosts, message) = said(&host("two.example", false));
        assert_eq!((hosts.as_str(), message.as_str()), ("", "no rule is for the host two.example"));
        for both in [
            host("one.example", false) + &host("uno.example", true),
            host("one.example", true) + &host("one.example", false),
        ] {
            let (hosts, message) = said(&both);
            assert_eq!(hosts, "one.example");
            assert_eq!(message, "the host one.example is both enabled and disabled: it is disabled");
        }
        keep(state, &table(RULES), "*.example", false).unwrap();
        assert_eq!(disabled(state, RULES), "one.example *.example off.example/branch");
    }

    /// Nothing is put in force, nothing is replaced, and the message names the place.
    #[test]
    fn item_6_a_damaged_file_is_refused_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let good = "[[host]]\nname = \"one.example\"\nenabled = false\n";
        for (wrong, place, said) in [
            ("[[host]]\nname = \"two.example\"\nenabled = fal", " --> ", ""),
            ("[[host]]\nname = \"two.example\"\n", ":4:1", "neither enabled nor disabled"),
            ("[[host]]\nenabled = false\n", ":4:1", "the host has no name"),
            ("[[host]]\nname = \"a b\"\nenabled = false\n", ":5:9", "not a host name"),
            ("[[host]]\nname = \"a\"\nenabled = 0\n", ":6:11", "must be true or false"),
            ("[[host]]\nname = \"a\"\nenabled = false\nsip = true\n", ":7:1", "`sip` is unknown"),
            ("[hosts]\n", ":4:2", "`hosts` is unknown"),
            ("\0", "", ""),
        ] {
            let text = format!("{good}{wrong}");
            fs::write(file(state), &text).unwrap();
            let mut rules = table(RULES);
            let found = apply(state, &mut rules, None);
            assert_ne!(found.errors(), 0, "{wrong}");
            let shown = found.render(false);
            assert!(shown.contains(&format!("overrides.toml{place}")) || place == " --> ", "{shown}");
            assert!(shown.contains(said), "{shown}");
            assert!(rules.named("one.example").unwrap().enabled(), "all or nothing");
            let refused = keep(state, &rules, "*.example", false).unwrap_err();
            assert_eq!(refused.render(false), shown);
            assert_eq!(fs::read_to_string(file(state)).unwrap(), text);
        }
    }

    #[test]
    fn item_6_a_file_that_cannot_be_read_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        symlink(dir.path().join("not mounted"), file(&state)).unwrap();
        let found = apply(&state, &mut table(RULES), None);
        assert!(found.list()[0].message.contains("cannot be read: it is a link that leads nowhere"));
        assert_eq!(found.errors(), 1);
        assert_eq!(keep(&state, &table(RULES), "one.example", false).unwrap_err().errors(), 1);
        assert!(fs::symlink_metadata(file(&state)).unwrap().is_symlink());
        fs::remove_file(file(&state)).unwrap();
        fs::create_dir(file(&state)).unwrap();
        assert_eq!(apply(&state, &mut table(RULES), None).errors(), 1);
        fs::remove_dir(file(&state)).unwrap();
        // The folder itself is a link to nowhere, so nothing is stored there.
        fs::remove_dir(&state).unwrap();
        symlink(dir.path().join("not mounted"), &state).unwrap();
        assert!(apply(&state, &mut table(RULES), None).is_empty());
        let mut in_force = table(RULES);
        assert!(apply(&state, &mut table(RULES), Some(&in_force)).is_empty());
        in_force.set_enabled("one.example", false);
        let refused = apply(&state, &mut table(RULES), Some(&in_force));
        assert!(refused.list()[0].message.contains("is not there any more"), "{}", refused.render(false));
        assert_eq!(refused.errors(), 1);
        let refused = keep(&state, &table(RULES), "one.example", false).unwrap_err();
        assert!(refused.list()[0].message.contains("cannot be written"), "{}", refused.render(false));
    }
}
