//! A place for the numbers of bytes that a relay has moved.

/// Counts the bytes of a connection: first those to the target, then those to the client.
pub trait Meter {
    /// The counts so far.
    fn bytes(&self) -> [u64; 2];

    /// Sets the counts. Neither count may become less.
    fn set(&mut self, bytes: [u64; 2]);
}

impl Meter for &mut [u64; 2] {
    fn bytes(&self) -> [u64; 2] {
        **self
    }

    fn set(&mut self, bytes: [u64; 2]) {
        **self = bytes;
    }
}
