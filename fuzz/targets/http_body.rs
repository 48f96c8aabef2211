//! A chunked body: whatever its pieces are, the same octets pass on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::inspect::http::Framing;

/// Filters `input` in pieces. Returns the passed octets, the number of octets of the body, and the result.
fn filter(mut framing: Framing, input: &[u8], piece: usize) -> (Vec<u8>, usize, Result<bool, ()>) {
    let (mut out, mut taken) = (Vec::new(), 0);
    for chunk in input.chunks(piece) {
        let mut data = chunk.to_vec();
        let progress = match framing.filter(&mut data) {
            Ok(progress) => progress,
            Err(_) => return (out, taken, Err(())),
        };
        assert!(progress.kept <= progress.taken && progress.taken <= data.len());
        out.extend_from_slice(&data[..progress.kept]);
        taken += progress.taken;
        if framing.is_done() {
            out.extend(framing.tail());
            return (out, taken, Ok(true));
        }
        assert_eq!(progress.taken, data.len(), "bytes of an unfinished body are left over");
    }
    (out, taken, Ok(false))
}

fuzz_target!(|data: &[u8]| {
    let Some((first, input)) = data.split_first() else { return };
    if input.is_empty() {
        return;
    }
    let piece = usize::from(*first).max(1);
    for framing in [Framing::chunked as fn() -> Framing, Framing::unchunked] {
        let whole = filter(framing(), input, input.len());
        let pieces = filter(framing(), input, piece);
        let bytes = filter(framing(), input, 1);
        assert_eq!(whole.2, pieces.2);
        assert_eq!(whole.2, bytes.2);
        if whole.2 == Ok(true) {
            assert_eq!((&whole.0, whole.1), (&pieces.0, pieces.1));
            assert_eq!((&whole.0, whole.1), (&bytes.0, bytes.1));
        }
    }
    // The passed octets are a chunked body again, and pass unchanged.
    if let (out, _, Ok(true)) = filter(Framing::chunked(), input, input.len()) {
        let (again, taken, ended) = filter(Framing::chunked(), &out, piece);
        assert_eq!((again, taken, ended), (out.clone(), out.len(), Ok(true)));
    }
});
