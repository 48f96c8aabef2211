//! What is below every protocol: streams, buffers that are held only while they hold something, deadlines.

mod buffer;
mod leg;
#[cfg(test)]
pub mod memory;
mod socket;
mod stall;
mod stream;
mod timer;

pub use buffer::{BUFFER, BULK, Buffer};
pub use leg::Leg;
pub use socket::Socket;
pub use stall::Stall;
pub use stream::{Peer, Stream};
pub use timer::Timer;
