//! The layer below every protocol: streams, buffers that need memory only while they hold something, and deadlines.
//!
//! | file | content |
//! |---|---|
//! | `socket` | a TCP connection with a limit of bytes to read |
//! | `tls` | TLS on such a connection, without memory for records while there are none |
//! | `stream` | a TCP connection with or without TLS, and its socket options |
//! | `websocket` | a WebSocket on such a stream, read and written as the octets of its messages |
//! | `buffer` | octets that were read and not forwarded yet |
//! | `leg` | a stream and its buffer: one side of a relay |
//! | `clock` | the time, which is read once in a turn of a task |
//! | `timer`, `stall` | the deadline of a connection, and writes without progress |
//! | `meter` | the numbers of bytes that a relay has moved |
//! | `memory` | a stream in memory, for tests |

mod buffer;
pub mod clock;
mod leg;
#[cfg(test)]
pub mod memory;
mod meter;
mod socket;
mod stall;
mod stream;
mod timer;
mod tls;
mod websocket;

pub use buffer::{BUFFER, BULK, Buffer};
pub use leg::Leg;
pub use meter::Meter;
pub use socket::Socket;
pub use stall::Stall;
pub use stream::{Peer, Stream};
pub use timer::Timer;
pub use tls::Tls;
pub use websocket::{Came, End, Messages, WebSocket, violation};
