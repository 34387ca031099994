//! Several records of one run as one value, so that a short run is one row of history.

use bytes::{Buf, BufMut, Bytes};
use evertide_store::HistoryRecord;
use prost::encoding::{decode_varint, encode_varint};

/// A record with its place in the log, which tells whether a snapshot contains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacedRecord {
    pub(crate) position: i64,
    pub(crate) first_event_id: i64,
    pub(crate) record: Bytes,
}

impl From<PlacedRecord> for HistoryRecord {
    fn from(placed: PlacedRecord) -> Self {
        Self { first_event_id: placed.first_event_id, record: placed.record }
    }
}

/// A chunk is closed when it reaches this size, so that reading a page of a long history reads little else.
const FULL_BYTES: usize = 32 * 1024;

/// Cuts records into chunks: the first record of each, and the encoded whole.
pub(crate) fn chunks(records: &[PlacedRecord]) -> impl Iterator<Item = (&PlacedRecord, Vec<u8>)> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let mut encoded = Vec::new();
        while let [record, behind @ ..] = rest {
            if encoded.len() >= FULL_BYTES {
                break;
            }
            encode(record, &mut encoded);
            rest = behind;
        }
        Some((first, encoded))
    })
}

fn encode(record: &PlacedRecord, encoded: &mut Vec<u8>) {
    encode_varint(record.position.cast_unsigned(), encoded);
    encode_varint(record.first_event_id.cast_unsigned(), encoded);
    encode_varint(record.record.len() as u64, encoded);
    encoded.put_slice(&record.record);
}

/// Reads the records of a chunk, which share its bytes. None if it is damaged.
pub(crate) fn decode(mut encoded: Bytes) -> Option<Vec<PlacedRecord>> {
    let mut records = Vec::new();
    while encoded.has_remaining() {
        let position = decode_varint(&mut encoded).ok()?.cast_signed();
        let first_event_id = decode_varint(&mut encoded).ok()?.cast_signed();
        let length = usize::try_from(decode_varint(&mut encoded).ok()?).ok()?;
        if length > encoded.remaining() {
            return None;
        }
        records.push(PlacedRecord { position, first_event_id, record: encoded.split_to(length) });
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_from_their_chunks() {
        let records: Vec<_> = (0_i64..200)
            .map(|number| PlacedRecord {
                position: 7 + number,
                first_event_id: number / 2,
                record: Bytes::from(vec![number as u8; 1000]),
            })
            .collect();
        let chunks: Vec<_> = chunks(&records).collect();
        assert!(chunks.len() > 5, "{} chunks", chunks.len());
        let mut read = Vec::new();
        for (first, encoded) in chunks {
            assert_eq!(first, &records[read.len()]);
            read.extend(decode(Bytes::from(encoded)).unwrap());
        }
        assert_eq!(read, records);
    }

    #[test]
    fn a_cut_chunk_is_damaged() {
        let record = PlacedRecord { position: 1, first_event_id: 1, record: Bytes::from_static(b"record") };
        let (_, encoded) = chunks(std::slice::from_ref(&record)).next().unwrap();
        assert_eq!(decode(Bytes::copy_from_slice(&encoded[..encoded.len() - 1])), None);
    }
}
