//! The messages of an answer on their way out.

use super::{PREFIX_BYTES, gzip};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;

/// Smaller messages stay as they are: packing costs more than sending them, since they fit into one packet of a network
/// anyway. The figures stand in docs/performance.md.
pub(super) const PACKED_FROM_BYTES: usize = 1024;

/// The body of an answer with its larger messages packed.
#[derive(Debug)]
pub(super) struct Packing {
    body: Body,
}

impl Packing {
    pub(super) fn new(body: Body) -> Self {
        Self { body }
    }
}

impl HttpBody for Packing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context).map_ok(|frame| frame.map_data(packed))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Messages, of which a frame of an encoder holds one or more whole ones, with the larger ones packed.
fn packed(messages: Bytes) -> Bytes {
    if messages.len() < PREFIX_BYTES + PACKED_FROM_BYTES {
        return messages;
    }
    let (mut left, mut out) = (messages, BytesMut::new());
    while left.len() >= PREFIX_BYTES {
        let mut prefix = left.slice(1..PREFIX_BYTES);
        let end = PREFIX_BYTES.saturating_add(usize::try_from(prefix.get_u32()).unwrap_or(usize::MAX));
        let message = left.split_to(end.min(left.len()));
        let content = message.slice(PREFIX_BYTES..);
        let packed = (content.len() >= PACKED_FROM_BYTES).then(|| gzip::pack(&content));
        match packed.as_ref().and_then(|packed| u32::try_from(packed.len()).ok().zip(Some(packed))) {
            Some((length, packed)) => {
                out.put_u8(1);
                out.put_u32(length);
                out.put_slice(packed);
            }
            None => out.put_slice(&message),
        }
    }
    out.put_slice(&left);
    out.freeze()
}
