//! The dashboard in a real browser (contract section 8, *Dashboard*; issue 23): its contents, its actions, the access
//! to it, and its look.

mod accessible;
mod actions;
mod away;
mod busy;
mod desk;
mod explain;
mod hostile;
mod keyboard;
mod live;
mod load;
mod log_in;
mod pictures;
mod traffic;

use desk::{Desk, one, row};
