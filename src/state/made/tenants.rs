//! The tenants that were made over the API: with their definitions in memory, and in `tenants.toml` on disk.
//!
//! A definition is JSON in the shape of the `[tenant.ID]` table. It may also have `imported`: the import that made the
//! tenant. Its logins and secrets are stored and never shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use serde_json::{Map, Value};

use super::{Ground, form, out_of_reach, put, read};
use crate::config::{self, Diagnostic, Diagnostics, Location, MadeTenant, Severity, Unmade};
use crate::rules::{Table, Tenant, fingerprint};
use crate::state::secret::{Key, random};

/// The file in the state folder.
const NAME: &str = "tenants.toml";
/// The first lines of the file.
const HEAD: &str = "\
# Portward writes this file and does not keep comments: tenants that were made over the API. It is read at the start and at a
# reload, behind the rules files.
";

/// The import that made the tenant. Only tenants of the API have this key.
pub(crate) const IMPORTED: &str = "imported";
/// Keys that are never shown. If a change does not contain them, the old values stay.
pub(crate) const HIDDEN: [&str; 2] = ["login", "secrets"];

pub(super) fn file(state: &Path) -> PathBuf {
    state.join(NAME)
}

/// A tenant's table.
pub(crate) type Definition = Map<String, Value>;

/// A tenant and its text.
#[derive(Debug, Clone)]
pub(crate) struct StoredTenant {
    definition: Arc<Definition>,
    /// Its text in the file.
    text: Arc<str>,
    read: Arc<MadeTenant>,
}

/// The tenants that were made over the API. Clones share all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tenants(BTreeMap<Box<str>, StoredTenant>);

impl Tenants {
    /// Reads the stored tenants from the folder of `state`. Each is checked by itself. `table` has the rules.
    ///
    /// # Errors
    /// They cannot be read. At a reload also: one of them is invalid.
    pub(super) fn read(
        ground: Ground<'_>,
        table: &Table,
        is_start: bool,
        is_missed: bool,
    ) -> Result<(Self, Diagnostics), Diagnostics> {
        let state = &ground.config.state;
        let file = file(state);
        let unread = |why: &str| Diagnostics::from(config::unread_made("tenants", &file, why, is_start));
        if let Some(why) = out_of_reach(&file, state, is_missed) {
            return Err(unread(&why));
        }
        let Some(text) = read("tenants", &file, is_start)? else { return Ok(Default::default()) };
        let whole: Value = toml::from_str(&text).map_err(|error| {
            let line =
                error.span().map(|span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
            let line = line.map(|line| format!(" in line {line}")).unwrap_or_default();
            unread(&format!("it is no TOML{line}: {}", error.message()))
        })?;
        let list = match whole {
            Value::Object(mut whole) => match whole.remove("tenant") {
                Some(Value::Object(list)) if whole.is_empty() => list,
                None if whole.is_empty() => Map::new(),
                _ => return Err(unread("it holds something else than [tenant.ID] tables")),
            },
            _ => return Err(unread("it is no TOML")),
        };
        let (mut tenants, mut found) = (Self::default(), Diagnostics::new());
        for (id, definition) in list {
            let Value::Object(definition) = definition else {
                return Err(unread("it holds something else than [tenant.ID] tables"));
            };
            match StoredTenant::new(ground, table, &id, definition) {
                Ok(kept) => drop(tenants.0.insert(id.into(), kept)),
                Err(Unmade { found: wrong, .. }) => found.append(wrong),
            }
        }
        if !is_start && found.errors() > 0 {
            return Err(found);
        }
        Ok((tenants, found.mapped(|one| Some(softened(one)))))
    }

    /// Whether there are no tenants.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tenants as they were read, in the order of their ids.
    pub(super) fn list(&self) -> Vec<Arc<MadeTenant>> {
        self.0.values().map(|kept| Arc::clone(&kept.read)).collect()
    }

    /// The definition of a tenant, with its logins and secrets.
    pub(crate) fn get(&self, id: &str) -> Option<&Definition> {
        self.0.get(id).map(|kept| &*kept.definition)
    }

    /// Replaces or adds the tenant with this id.
    pub(crate) fn put(&mut self, id: &str, kept: StoredTenant) {
        self.0.insert(id.into(), kept);
    }

    /// Removes a tenant. False: there is none with this id.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.0.remove(id).is_some()
    }

    /// A tenant and its text.
    pub(crate) fn stored(&self, id: &str) -> Option<StoredTenant> {
        self.0.get(id).cloned()
    }

    /// Puts back what [`Self::stored`] has returned.
    pub(crate) fn restore(&mut self, id: &str, kept: Option<StoredTenant>) {
        match kept {
            Some(kept) => self.put(id, kept),
            None => drop(self.0.remove(id)),
        }
    }

    /// The ids of the tenants directly below a tenant.
    pub(crate) fn below(&self, id: &str) -> impl Iterator<Item = &str> {
        let is_below = move |kept: &&StoredTenant| kept.read.definition().parent.as_deref() == Some(id);
        self.0.values().filter(is_below).map(|kept| kept.read.id())
    }

    /// `table` with these tenants in place of its present tenants of the API, and with the hosts of the API.
    ///
    /// # Errors
    /// The hosts of the API cannot be read.
    pub(crate) fn in_force(&self, ground: Ground<'_>, table: &Table) -> Result<config::Made, Diagnostics> {
        let text = super::text(&ground.config.state, false, false)?;
        Ok(ground.extend(table, self, &text.unwrap_or_default(), false))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// The file cannot be written. The old file stays.
    pub(crate) fn keep(&self, state: &Path) -> Result<(), Diagnostics> {
        let length = self.0.values().map(|kept| kept.text.len()).sum::<usize>() + HEAD.len();
        let mut text = String::with_capacity(length);
        text.push_str(HEAD);
        self.0.values().for_each(|kept| text.push_str(&kept.text));
        put("tenants", &file(state), &text)
    }

    /// The path of the file.
    pub(crate) fn file(state: &Path) -> PathBuf {
        file(state)
    }
}

impl StoredTenant {
    /// Whether both have the same tenants.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.text == other.text
    }

    /// A tenant with this definition, checked by itself. `table` has the rules.
    ///
    /// # Errors
    /// The fault of the definition.
    pub(crate) fn new(
        ground: Ground<'_>,
        table: &Table,
        id: &str,
        definition: Definition,
    ) -> Result<Self, Unmade> {
        let wrong = |why: String| {
            let place = Location::whole(file(&ground.config.state));
            let found = Diagnostic::error(format!("the tenant {id}: {why}"), place).into();
            Unmade { found, is_forbidden: false }
        };
        let said = form::from_json(&definition).map_err(wrong)?.to_string();
        let head = format!("\n[tenant.{}]\n", toml_edit::Key::new(id));
        let text = format!("{head}{said}");
        let mut judged = definition.clone();
        let judged = match judged.remove(IMPORTED) {
            None => text.clone(),
            Some(Value::String(by)) if !by.is_empty() && by.len() <= LONGEST => {
                format!("{head}{}", form::from_json(&judged).map_err(wrong)?)
            }
            Some(_) => return Err(wrong(format!("`{IMPORTED}` is what has made the tenant, a word"))),
        };
        let read = ground.with(false, |making| making.tenant(id, judged, table.without_files_of_api()))?;
        Ok(Self { definition: Arc::new(definition), text: text.into(), read: Arc::new(read) })
    }
}

/// The ETag of a tenant. It depends on what is in force, and on the whole definition. Secret parts are hashed under a
/// key of this run, so that they cannot be guessed from the tag.
pub(crate) fn tag(tenants: &Tenants, tenant: Tenant<'_>) -> String {
    static KEY: LazyLock<Key> = LazyLock::new(random);
    let print = fingerprint::of_tenant(tenant);
    let Some(kept) = tenants.0.get(tenant.id()) else { return print };
    let Ok(mut code) = Hmac::<Sha256>::new_from_slice(&KEY[..]) else { return print };
    code.update(kept.text.as_bytes());
    let code = code.finalize().into_bytes();
    let hex: String = code.iter().take(TAG).map(|octet| format!("{octet:02x}")).collect();
    format!("{print}{hex}")
}

/// The octets of a tag. They are enough to tell definitions apart.
const TAG: usize = 8;

/// The longest value of `imported`, in octets.
const LONGEST: usize = 32;

/// The diagnostic at a start, where the tenant is left out.
fn softened(mut one: Diagnostic) -> Diagnostic {
    if one.severity == Severity::Error {
        one.severity = Severity::Warning;
        one.help = Some("wrong tenants in this file are left out until they are corrected".to_owned());
    }
    one
}
