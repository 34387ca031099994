//! Packing and unpacking of single messages.

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use flate2::{Compress, Compression, FlushCompress};
use std::cell::RefCell;
use std::io::{self, Read};

/// How hard it tries, from 1 to 9. Twice the time of this level saves a third of what is left; see docs/performance.md.
const LEVEL: Compression = Compression::fast();
/// Base-2 logarithm of how far back a repetition is found.
const WINDOW_BITS: u8 = 15;
/// More than a packed message can be longer than it was: its header and trailer, and five bytes for each block.
const OVERHEAD_BYTES: usize = 128;

thread_local! {
    // Its tables are large, so that making them anew costs more than to pack a small message.
    static PACKER: RefCell<Compress> = RefCell::new(Compress::new_gzip(LEVEL, WINDOW_BITS));
}

/// The content of a message, packed.
pub(super) fn pack(content: &[u8]) -> Bytes {
    PACKER.with_borrow_mut(|packer| {
        packer.reset();
        let mut packed = Vec::with_capacity(content.len() / 2 + OVERHEAD_BYTES);
        loop {
            let done = usize::try_from(packer.total_in()).unwrap_or(usize::MAX);
            let rest = content.get(done..).unwrap_or_default();
            match packer.compress_vec(rest, &mut packed, FlushCompress::Finish) {
                Ok(flate2::Status::StreamEnd) => return packed.into(),
                // No room left.
                _ => packed.reserve(rest.len() / 2 + OVERHEAD_BYTES),
            }
        }
    })
}

/// The content of a packed message: at most one byte more than `limit_bytes` of it.
///
/// # Errors
/// It is not gzip, or damaged.
pub(super) fn unpack(packed: &[u8], limit_bytes: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity((packed.len() * 4).min(limit_bytes + 1));
    let longest = u64::try_from(limit_bytes).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(packed).take(longest).read_to_end(&mut content)?;
    Ok(content)
}
