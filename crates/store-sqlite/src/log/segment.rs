//! The form of a file of the log.
//!
//! A header, and frames behind it, each with one batch:
//!
//! ```text
//! header  magic 8 | log 8 | salt 8 | first position 8 | check 4
//! frame   length 4 | check 4 | position 8 | next position 8 | batch, of that length
//! ```
//!
//! Numbers are little-endian. The log's number tells its files from those of another database of the same name. A check is a CRC-32, of a frame over the salt and everything in it. The salt is drawn for
//! each use of a file, so that neither what an earlier use has left behind the last frame, nor what a client puts into
//! a payload, is ever taken for a frame.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;

const MAGIC: [u8; 8] = *b"EvtLog\0\x01";
pub(crate) const HEADER_BYTES: usize = 36;
const FRAME_HEADER_BYTES: usize = 24;

/// What identifies one use of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) log_id: i64,
    salt: u64,
    /// The position of the first write in it.
    pub(crate) first_position: i64,
}

/// One batch in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The position of its first write.
    pub(crate) position: i64,
    /// The position behind its last write.
    pub(crate) next_position: i64,
    pub(crate) batch: Bytes,
}

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing was ever written.
    Nothing,
    /// Its header makes no sense.
    Damaged,
    Segment(Segment),
}

/// What can be read of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) header: Header,
    pub(crate) first_position: i64,
    pub(crate) frames: Vec<Frame>,
    /// Where the last good frame ends.
    pub(crate) length: usize,
    /// Whether there is a frame that is needed behind one that is damaged, so that the damage is not that of an append that
    /// was cut off.
    pub(crate) is_damaged: bool,
}

impl Header {
    pub(crate) fn new(log_id: i64, first_position: i64) -> Self {
        Self { log_id, salt: random(), first_position }
    }

    pub(crate) fn encode(self, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        buffer.extend_from_slice(&MAGIC);
        buffer.extend_from_slice(&self.log_id.to_le_bytes());
        buffer.extend_from_slice(&self.salt.to_le_bytes());
        buffer.extend_from_slice(&self.first_position.to_le_bytes());
        let check = crc32fast::hash(&buffer[start..]);
        buffer.extend_from_slice(&check.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, check) = bytes.get(..HEADER_BYTES)?.split_at(HEADER_BYTES - 4);
        let is_good = header.starts_with(&MAGIC) && crc32fast::hash(header).to_le_bytes() == check;
        is_good.then(|| Self {
            log_id: number(&header[8..]).cast_signed(),
            salt: number(&header[16..]),
            first_position: number(&header[24..]).cast_signed(),
        })
    }

    /// Appends a frame with what `encode` appends as its batch.
    pub(crate) fn encode_frame(
        self,
        position: i64,
        next_position: i64,
        buffer: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = buffer.len();
        buffer.extend_from_slice(&[0; 8]);
        buffer.extend_from_slice(&position.to_le_bytes());
        buffer.extend_from_slice(&next_position.to_le_bytes());
        encode(buffer);
        let batch_bytes = buffer.len() - start - FRAME_HEADER_BYTES;
        // A batch is a few MiB.
        let length = u32::try_from(batch_bytes).unwrap_or(u32::MAX);
        buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
        let check = self.check(length, &buffer[start + 8..]);
        buffer[start + 4..start + 8].copy_from_slice(&check.to_le_bytes());
    }

    fn check(self, length: u32, rest: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.salt.to_le_bytes());
        hasher.update(&length.to_le_bytes());
        hasher.update(rest);
        hasher.finalize()
    }

    /// The frame at the beginning of some bytes, if there is a good one.
    fn decode_frame(self, bytes: &Bytes) -> Option<Frame> {
        let header = bytes.get(..FRAME_HEADER_BYTES)?;
        let (length, check) =
            (u32::from_le_bytes(*header.first_chunk()?), u32::from_le_bytes(*header[4..].first_chunk()?));
        let end = FRAME_HEADER_BYTES.checked_add(usize::try_from(length).ok()?)?;
        let rest = bytes.get(8..end)?;
        (self.check(length, rest) == check).then(|| Frame {
            position: number(&header[8..]).cast_signed(),
            next_position: number(&header[16..]).cast_signed(),
            batch: bytes.slice(FRAME_HEADER_BYTES..end),
        })
    }
}

impl Header {
    /// Whether there is a good frame anywhere in some bytes, with a position from a given one on.
    fn has_frame_from(self, next_position: i64, bytes: &Bytes) -> bool {
        // Most offsets are ruled out by their numbers, without a look at what would be the batch.
        let is_likely = |offset: usize| {
            let numbers = bytes.get(offset + 8..offset + FRAME_HEADER_BYTES)?;
            let (position, next) = (number(numbers).cast_signed(), number(&numbers[8..]).cast_signed());
            let is_next = position >= next_position && position - next_position < 1 << 40;
            Some(is_next && next > position && next - position < 1 << 24)
        };
        let mut likely = (0..bytes.len()).filter(|offset| is_likely(*offset) == Some(true));
        likely.any(|offset| self.decode_frame(&bytes.slice(offset..)).is_some())
    }
}

impl Frame {
    fn length(&self) -> usize {
        FRAME_HEADER_BYTES + self.batch.len()
    }
}

/// A number that nobody can foresee.
pub(crate) fn random() -> u64 {
    // The state of a new hasher is random, and the finest source of randomness that the standard library has.
    RandomState::new().hash_one(0)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |number| u64::from_le_bytes(*number))
}

/// Reads a file. Of what was there before `needed_from` nothing is needed any more.
pub(crate) fn read(bytes: Vec<u8>, needed_from: i64) -> Contents {
    let bytes = Bytes::from(bytes);
    let Some(header) = Header::decode(&bytes) else {
        // A header is within what a disk writes whole or not at all, and nobody was told of what came with half of one.
        let is_nothing = bytes.len() < HEADER_BYTES || bytes[..HEADER_BYTES].iter().all(|byte| *byte == 0);
        return if is_nothing { Contents::Nothing } else { Contents::Damaged };
    };
    let (mut frames, mut length) = (Vec::new(), HEADER_BYTES);
    while let Some(frame) = header.decode_frame(&bytes.slice(length..)) {
        length += frame.length();
        frames.push(frame);
    }
    let next_position = frames.last().map_or(header.first_position, |frame| frame.next_position);
    let is_damaged = header.has_frame_from(next_position.max(needed_from), &bytes.slice(length..));
    Contents::Segment(Segment { header, first_position: header.first_position, frames, length, is_damaged })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(batches: &[&[u8]]) -> (Header, Vec<u8>) {
        let header = Header::new(1, 10);
        let mut file = Vec::new();
        header.encode(&mut file);
        for (batch, position) in batches.iter().zip(10..) {
            header.encode_frame(position, position + 1, &mut file, |buffer| buffer.extend_from_slice(batch));
        }
        (header, file)
    }

    fn segment(bytes: &[u8]) -> Segment {
        match read(bytes.to_vec(), 0) {
            Contents::Segment(segment) => segment,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn frames_come_back() {
        let (_, file) = file(&[b"one", b"", b"three"]);
        let segment = segment(&file);
        let found: Vec<_> = segment.frames.iter().map(|frame| (frame.position, &*frame.batch)).collect();
        assert_eq!(found, [(10, &b"one"[..]), (11, b""), (12, b"three")]);
        assert_eq!((segment.length, segment.first_position, segment.is_damaged), (file.len(), 10, false));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_ends_with_its_last_whole_frame() {
        let (_, file) = file(&[b"one", b"two"]);
        let second = file.len() - FRAME_HEADER_BYTES - 3;
        for end in HEADER_BYTES..file.len() {
            let segment = segment(&file[..end]);
            assert_eq!(segment.frames.len(), usize::from(end >= second), "cut at {end}");
            assert!(!segment.is_damaged);
        }
        for end in 0..HEADER_BYTES {
            assert_eq!(read(file[..end].to_vec(), 0), Contents::Nothing);
        }
    }

    #[test]
    fn every_damaged_bit_is_noticed() {
        let (_, file) = file(&[b"one", b"two", b"three"]);
        let last = file.len() - FRAME_HEADER_BYTES - 5;
        for bit in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match read(damaged, 0) {
                Contents::Damaged => assert!(bit < HEADER_BYTES * 8),
                Contents::Segment(segment) => {
                    assert!(segment.frames.len() < 3, "bit {bit}");
                    assert_eq!(segment.is_damaged, bit < last * 8, "bit {bit}");
                }
                Contents::Nothing => panic!("bit {bit}"),
            }
        }
    }

    #[test]
    fn what_another_use_has_left_is_no_frame() {
        let (_, mut old) = file(&[b"old one", b"old two", b"old three"]);
        let (_, new) = file(&[b"new one"]);
        old[..new.len()].copy_from_slice(&new);
        let segment = segment(&old);
        assert_eq!(segment.frames.len(), 1);
        assert!(!segment.is_damaged);
    }
}
