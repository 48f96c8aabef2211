//! Memory for records that were read or are to be sent. A connection has it only while there are some.

use std::cell::RefCell;

/// The longest record: header, content and the expansion that TLS 1.2 allows (RFC 5246 section 6.2.3).
const RECORD: usize = 5 + 16 * 1024 + 2 * 1024;
/// The usual size. Besides the longest record, the beginning of the next one has room.
const BLOCK: usize = RECORD + 2 * 1024;
/// The greatest size. Only a handshake message in many records needs more than a block, and rustls takes no message
/// longer than 64 KiB.
const MOST: usize = 72 * 1024;

/// By how much a block grows. A handshake that stands still has hardly more memory than octets.
const STEP: usize = 8 * 1024;

/// How many blocks a thread keeps for later: 5 MiB at most.
const SHELF: usize = 256;

thread_local! {
    // The boxes are kept, too: a connection has only a pointer while it is idle.
    #[expect(clippy::vec_box, reason = "see above")]
    static SHELVED: RefCell<Vec<Box<Block>>> = const { RefCell::new(Vec::new()) };
}

/// Records in their order. While there are none, they have no memory.
#[derive(Debug, Default)]
pub(super) struct Records(Option<Box<Block>>);

#[derive(Debug)]
struct Block {
    /// The memory. All of it is initialized.
    bytes: Vec<u8>,
    /// Where the records begin and end.
    start: usize,
    end: usize,
}

impl Records {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|block| block.start == block.end)
    }

    /// Whether there is no memory.
    #[cfg(test)]
    pub(super) fn is_released(&self) -> bool {
        self.0.is_none()
    }

    /// All octets.
    pub(super) fn filled(&self) -> &[u8] {
        self.0.as_ref().and_then(|block| block.bytes.get(block.start..block.end)).unwrap_or_default()
    }

    /// All octets, to be decrypted in place.
    pub(super) fn filled_mut(&mut self) -> &mut [u8] {
        self.0.as_mut().and_then(|block| block.bytes.get_mut(block.start..block.end)).unwrap_or_default()
    }

    /// Removes the first octets.
    pub(super) fn discard(&mut self, count: usize) {
        if let Some(block) = &mut self.0 {
            block.start = block.end.min(block.start + count);
        }
    }

    /// Removes all octets.
    pub(super) fn clear(&mut self) {
        self.discard(usize::MAX / 2);
        self.release();
    }

    /// The room behind the octets, of at least `least` octets. It is empty if that would be too much memory.
    pub(super) fn room(&mut self, least: usize) -> &mut [u8] {
        let block = self.0.get_or_insert_with(take);
        if block.start == block.end {
            (block.start, block.end) = (0, 0);
        }
        if block.bytes.len() - block.end < least && block.start > 0 {
            block.bytes.copy_within(block.start..block.end, 0);
            (block.start, block.end) = (0, block.end - block.start);
        }
        let wanted = block.end + least;
        if block.bytes.len() < wanted && wanted <= MOST {
            let more = wanted.max(block.bytes.len() + STEP).min(MOST);
            // Without this line a vector at least doubles its memory.
            block.bytes.reserve_exact(more - block.bytes.len());
            block.bytes.resize(more, 0);
        }
        let room = block.bytes.get_mut(block.end..).unwrap_or_default();
        if room.len() < least { &mut [] } else { room }
    }

    /// Notes that `count` octets were written into the room.
    pub(super) fn extend(&mut self, count: usize) {
        if let Some(block) = &mut self.0 {
            block.end = block.bytes.len().min(block.end + count);
        }
    }

    /// Gives the memory back, if there are no records.
    pub(super) fn release(&mut self) {
        if self.is_empty()
            && let Some(block) = self.0.take()
        {
            shelve(block);
        }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        if let Some(block) = self.0.take() {
            shelve(block);
        }
    }
}

fn take() -> Box<Block> {
    let kept = SHELVED.with_borrow_mut(Vec::pop);
    kept.unwrap_or_else(|| Box::new(Block { bytes: vec![0; BLOCK], start: 0, end: 0 }))
}

/// Keeps a block of the usual size. A larger one is freed.
fn shelve(mut block: Box<Block>) {
    if block.bytes.len() != BLOCK {
        return;
    }
    (block.start, block.end) = (0, 0);
    // At the end of a thread the shelf may no longer exist.
    let _ = SHELVED.try_with(|shelf| {
        let mut shelf = shelf.borrow_mut();
        if shelf.len() < SHELF {
            shelf.push(block);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(records: &mut Records, octets: &[u8]) {
        records.room(octets.len())[..octets.len()].copy_from_slice(octets);
        records.extend(octets.len());
    }

    #[test]
    fn octets_come_out_in_their_order() {
        let mut records = Records::default();
        put(&mut records, b"one");
        put(&mut records, b"two");
        records.discard(3);
        assert_eq!(records.filled(), b"two");
        // The octets are moved to the front when there is no room behind them.
        assert!(records.room(BLOCK - 3).len() >= BLOCK - 3);
        assert_eq!(records.filled_mut(), b"two");
        records.discard(3);
        assert!(records.is_empty());
    }

    #[test]
    fn without_records_there_is_no_memory() {
        let mut records = Records::default();
        put(&mut records, b"one");
        records.release();
        assert!(records.0.is_some(), "there are octets");
        records.discard(3);
        records.release();
        assert!(records.is_released());
    }

    #[test]
    fn the_shelf_has_blocks_of_the_usual_size_and_not_too_many() {
        let shelved = || SHELVED.with_borrow(Vec::len);
        let mut large = Records::default();
        put(&mut large, &[7; BLOCK + 1]);
        drop(large);
        assert_eq!(shelved(), 0);
        let mut many: Vec<Records> = std::iter::repeat_with(Records::default).take(SHELF + 1).collect();
        many.iter_mut().for_each(|records| put(records, b"one"));
        drop(many);
        assert_eq!(shelved(), SHELF);
        let mut next = Records::default();
        assert_eq!(next.room(1).len(), BLOCK);
        assert!(next.is_empty() && shelved() == SHELF - 1);
    }

    #[test]
    fn a_long_handshake_message_has_little_more_memory_than_octets() {
        let mut records = Records::default();
        for octets in 1..=48 {
            put(&mut records, &[7; 1024]);
            let memory = records.0.as_ref().map_or(0, |block| block.bytes.capacity());
            assert!(memory <= BLOCK.max(octets * 1024 + STEP), "{octets} KiB take {memory}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut records = Records::default();
        let most = vec![7; MOST];
        put(&mut records, &most);
        assert!(records.room(1).is_empty());
        records.discard(1);
        assert_eq!(records.room(1).len(), 1);
    }
}
