//! The blacklist (contract section 6): whom the guard has listed, and whom an administrator has.
//!
//! Automatic entries are bounded by [`AUTOMATIC`]: the oldest go first. With a million of them it takes at most 96 MiB. A
//! look-up is one hash, and one look into a sorted map for each length of prefix that administrators have listed; what has
//! expired is not listed any more, and is taken out in the background.
//!
//! The list is read in pages, each with a [`Cursor`] for the next: nothing ever holds all of it at once. Automatic
//! entries have numbers in the order in which they came, so a page goes on where the last one ended whatever was added
//! or removed meanwhile.
//!
//! [`super::Guard::apply`] alone changes the list, one change after the other. Removals leave traces. An entry that has
//! ended needs no change: every reader sees from its times that it is not in force.
//!
//! Times are those of the system's clock, because the list outlives the process. Where the clock is set back an entry
//! begins again at once and lasts as long as it was meant to: [`change::Change::FollowClock`].
//!
//! `entry` is an entry with its times, `change` what can be done to the list and who hears of it, `removals` what is left of
//! what was removed. `list` is the list itself, `manual` the entries of administrators, in the `order` in which addresses came;
//! `page` reads it.

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
