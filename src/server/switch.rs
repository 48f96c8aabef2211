//! Enables and disables hosts while the server runs. A change is stored on disk first, and then put in force (contract
//! section 8).

use super::control::Switch;
use super::{By, Server, ServerError, SwitchError, Switched};
use crate::log::Level;
use crate::rules::Table;
use crate::state::overrides;

impl Server {
    /// A change that cannot be stored changes nothing, and the log says why.
    pub(super) fn switch_by(&self, switch: &Switch, by: By) -> Result<Switched, SwitchError> {
        let Switch { host: asked, enabled } = switch;
        let switched = self.switch(asked, *enabled);
        let verb = if *enabled { "enable" } else { "disable" };
        match &switched {
            Ok(Switched { host, is_changed: true, .. }) => {
                self.shared.note(Level::Info, &format!("{by} {verb}s the host {host}"));
            }
            Err(SwitchError::NotStored(ServerError { text, .. })) => {
                let text =
                    format!("{}\n{by} cannot {verb} the host {asked}: it stays as it was", text.trim_end());
                self.shared.note(Level::Error, &text);
            }
            Ok(_) | Err(SwitchError::UnknownHost) => {}
        }
        switched
    }

    fn switch(&self, asked: &str, enabled: bool) -> Result<Switched, SwitchError> {
        let before = self.shared.snapshot.load_full();
        let host = before.table.named(asked).ok_or(SwitchError::UnknownHost)?;
        overrides::keep(&before.config.state, &before.table, host.name(), enabled)
            .map_err(|found| SwitchError::NotStored(ServerError::from(&found)))?;
        let (name, is_changed) = (Box::from(host.name()), host.own_enabled() != enabled);
        if is_changed {
            let mut table = Table::clone(&before.table);
            table.set_enabled(&name, enabled);
            self.shared.replace(before.with_table(table));
        }
        Ok(Switched { host: name, is_changed, snapshot: self.shared.snapshot.load_full() })
    }
}
