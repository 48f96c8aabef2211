//! Names that an H.323 client is registering, until its gatekeeper answers (contract section 6). A RegistrationConfirm
//! confirms the name of the request that has the same number. Other requests may be under way at the same time.

use std::collections::VecDeque;

use crate::inspect::h323::{Alias, Registration};

/// How many registrations may wait for an answer. For one more the oldest is forgotten, and then confirms no name.
const UNDER_WAY: usize = 32;

/// Registrations that wait for an answer. An empty name confirms nothing.
#[derive(Debug, Default)]
pub(super) struct Registering {
    under_way: VecDeque<(u16, Box<str>)>,
    /// The name that was confirmed last. A keep-alive has no aliases, and renews this name.
    last: Box<str>,
}

impl Registering {
    /// Notes a message that goes to the gatekeeper. If one message has several requests, their aliases cannot be told
    /// apart, so they confirm no name. The same holds for two requests with one number.
    pub(super) fn asked(&mut self, registration: &Registration) {
        if !registration.registers {
            return;
        }
        let mut name: Box<str> = match registration.requests {
            1 if registration.aliases.is_empty() => self.last.clone(),
            1 => name(&registration.aliases),
            _ => Box::default(),
        };
        for (sequence, other) in &mut self.under_way {
            if *sequence == registration.sequence && *other != name {
                (*other, name) = (Box::default(), Box::default());
            }
        }
        if self.under_way.len() >= UNDER_WAY {
            self.under_way.pop_front();
        }
        self.under_way.push_back((registration.sequence, name));
    }

    /// Takes out the request with this number, which was answered with a confirmation or a rejection. Returns its name.
    pub(super) fn answered(&mut self, sequence: u16, confirmed: bool) -> Box<str> {
        let at = self.under_way.iter().position(|(asked, _)| *asked == sequence);
        let name = at.and_then(|at| self.under_way.remove(at)).map(|(_, name)| name).unwrap_or_default();
        if confirmed && !name.is_empty() {
            self.last.clone_from(&name);
        }
        name
    }
}

/// One name for a list of aliases in any order: the least alias, without its scheme and domain.
fn name(aliases: &[Alias]) -> Box<str> {
    let bare = |alias| {
        let text = Alias::text(alias);
        let text = text.split_once(':').map_or(text, |(_, behind)| behind);
        text.split('@').next().unwrap_or_default().to_lowercase()
    };
    aliases.iter().map(bare).filter(|name| !name.is_empty()).min().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::h323::Verb;

    fn request(sequence: u16, aliases: &[&str]) -> Registration {
        let mut registration = Registration::new(Verb::Registration, sequence);
        registration.aliases = aliases.iter().map(|alias| Alias::H323((*alias).to_owned())).collect();
        registration
    }

    #[test]
    fn a_name_is_that_of_the_request_which_is_answered() {
        let mut under_way = Registering::default();
        under_way.asked(&request(1, &["Good", "zoe"]));
        under_way.asked(&request(2, &["bad"]));
        assert_eq!(&*under_way.answered(1, true), "good");
        assert_eq!(&*under_way.answered(2, false), "bad");
        assert_eq!(&*under_way.answered(2, true), "", "answered already");
        // A keep-alive renews the name that was confirmed.
        under_way.asked(&request(3, &[]));
        assert_eq!(&*under_way.answered(3, true), "good");
        for alias in ["h323:good@one.example", "GOOD@two.example", "good"] {
            under_way.asked(&request(4, &[alias]));
            assert_eq!(&*under_way.answered(4, true), "good", "{alias}");
        }
    }

    #[test]
    fn what_could_be_several_names_is_none() {
        let mut under_way = Registering::default();
        under_way.asked(&request(1, &["good"]));
        under_way.asked(&request(1, &["other"]));
        assert_eq!(&*under_way.answered(1, true), "");
        assert_eq!(&*under_way.answered(1, true), "");
        let mut two = request(2, &["good", "other"]);
        two.requests = 2;
        under_way.asked(&two);
        assert_eq!(&*under_way.answered(2, true), "");
        for sequence in 0..100 {
            under_way.asked(&request(sequence, &["x"]));
        }
        assert_eq!(under_way.under_way.len(), UNDER_WAY);
    }
}
