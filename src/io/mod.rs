//! What is below every protocol: streams, buffers that are held only while they hold something, deadlines.
//!
//! | room | what is in it |
//! |---|---|
//! | `socket` | a TCP connection, of which no more than a limit is read |
//! | `stream` | the same with or without TLS on it, and what the kernel is told and asked about it |
//! | `websocket` | a WebSocket on such a stream, read and written as the octets of its messages |
//! | `buffer` | octets that were read |
//! | `leg` | a stream and its buffer: one side of a relay |
//! | `timer`, `stall` | the deadline of a connection; a write that has been held up for long |
//! | `meter` | where a relay says how many bytes went |
//! | `memory` | a stream in memory, for tests |

mod buffer;
mod leg;
#[cfg(test)]
pub mod memory;
mod meter;
mod socket;
mod stall;
mod stream;
mod timer;
mod websocket;

pub use buffer::{BUFFER, BULK, Buffer};
pub use leg::Leg;
pub use meter::Meter;
pub use socket::Socket;
pub use stall::Stall;
pub use stream::{Peer, Stream};
pub use timer::Timer;
pub use websocket::{Came, End, Messages, WebSocket, violation};
