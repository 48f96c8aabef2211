//! Where a relay says how many bytes have gone to each side.

/// What counts the bytes of a connection: to the target first, then to the client.
pub trait Meter {
    /// What it has counted so far.
    fn bytes(&self) -> [u64; 2];

    /// What there is now. Neither number is ever less than before.
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
