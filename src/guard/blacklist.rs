//! The blacklist (contract section 6): the addresses that the guard has listed, and the addresses and networks that
//! administrators have listed.
//!
//! Automatic entries are bounded by [`AUTOMATIC`]. If there are too many, the oldest entries are removed first. A
//! million of them takes at most 96 MiB. A look-up is one hash, and one look into a sorted map for each length of
//! prefix that administrators have listed. An expired entry no longer counts, and is removed in the background.
//!
//! The list is read in pages, each with a [`Cursor`] for the next page. So a reader never holds the whole list at once.
//! Automatic entries have numbers in the order in which they were made. So a page begins where the last one ended,
//! whatever was added or removed meanwhile.
//!
//! [`super::Guard::apply`] alone changes the list, one change after the other. Removals leave traces. An entry that has
//! expired needs no change: every reader sees from its times that it is not in force.
//!
//! Times are those of the system's clock, because the list outlives the process. If the clock is set back, an entry
//! begins again at once and keeps its intended duration: [`change::Change::FollowClock`].
//!
//! `entry` is an entry with its times. `change` has the changes of the list and their subscribers. `removals` has the
//! traces of removals. `list` is the list itself. `manual` has the entries of administrators, and `order` the order in
//! which addresses were listed. `page` reads the list.

pub mod change;
pub mod entry;
mod list;
mod manual;
mod order;
mod page;
pub mod removals;

pub use list::{AUTOMATIC, Blacklist};
pub use page::{Cursor, Page};

#[cfg(test)]
mod tests;
