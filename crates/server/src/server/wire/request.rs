//! The messages of a request on their way in.

use super::{MESSAGE_LIMIT_BYTES, PREFIX_BYTES, gzip};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tonic::Status;
use tonic::body::Body;

/// The body of a request with its messages unpacked, which ends with an error where one is too large.
#[derive(Debug)]
pub(super) struct Messages {
    body: Body,
    /// The caller says that its messages may be packed.
    unpacks: bool,
    /// What has come and is not passed on.
    come: Bytes,
    next: Next,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    Prefix,
    /// So many bytes of a plain message, which are passed on as they come.
    Plain(usize),
    /// So many bytes of a packed one, behind what was gathered of it.
    Packed(usize, BytesMut),
}

impl Messages {
    pub(super) fn new(body: Body, unpacks: bool) -> Self {
        Self { body, unpacks, come: Bytes::new(), next: Next::Prefix }
    }

    /// What can be passed on now.
    fn pass_on(&mut self) -> Result<Option<Bytes>, Status> {
        match &mut self.next {
            Next::Prefix if self.come.len() < PREFIX_BYTES => Ok(None),
            Next::Prefix => self.begin(),
            Next::Plain(left) => {
                let piece = self.come.split_to(self.come.len().min(*left));
                *left -= piece.len();
                if *left == 0 {
                    self.next = Next::Prefix;
                }
                Ok((!piece.is_empty()).then_some(piece))
            }
            Next::Packed(left, gathered) => {
                let piece = self.come.split_to(self.come.len().min(*left));
                *left -= piece.len();
                gathered.put(piece);
                if *left > 0 {
                    return Ok(None);
                }
                let packed = std::mem::take(gathered);
                self.next = Next::Prefix;
                unpacked(&packed).map(Some)
            }
        }
    }

    /// Reads what stands before a message.
    fn begin(&mut self) -> Result<Option<Bytes>, Status> {
        let mut prefix = self.come.slice(..PREFIX_BYTES);
        let flag = prefix.get_u8();
        let length = usize::try_from(prefix.get_u32()).unwrap_or(usize::MAX);
        if length > MESSAGE_LIMIT_BYTES {
            let text = format!("grpc: received message larger than max ({length} vs. {MESSAGE_LIMIT_BYTES})");
            return Err(Status::resource_exhausted(text));
        }
        match flag {
            0 => {
                self.next = Next::Plain(PREFIX_BYTES + length);
                self.pass_on()
            }
            1 if self.unpacks => {
                self.come.advance(PREFIX_BYTES);
                self.next = Next::Packed(length, BytesMut::new());
                self.pass_on()
            }
            1 => Err(Status::internal("grpc: compressed flag set with identity or empty encoding")),
            _ => Err(Status::internal(format!("grpc: received unexpected payload format {flag}"))),
        }
    }
}

/// A packed message as a plain one.
fn unpacked(packed: &[u8]) -> Result<Bytes, Status> {
    let content = gzip::unpack(packed, MESSAGE_LIMIT_BYTES)
        .map_err(|error| Status::internal(format!("grpc: failed to decompress the message: {error}")))?;
    let length = u32::try_from(content.len()).ok().filter(|_| content.len() <= MESSAGE_LIMIT_BYTES);
    let length = length.ok_or_else(|| {
        let text = format!("grpc: received message after decompression larger than max {MESSAGE_LIMIT_BYTES}");
        Status::resource_exhausted(text)
    })?;
    let mut plain = BytesMut::with_capacity(PREFIX_BYTES + content.len());
    plain.put_u8(0);
    plain.put_u32(length);
    plain.put_slice(&content);
    Ok(plain.freeze())
}

impl HttpBody for Messages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some(piece) = self.pass_on()? {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if self.come.is_empty() => self.come = data,
                    Ok(data) => self.come = [&*self.come, &*data].concat().into(),
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                // A message that was cut short is passed on as it is; whoever decodes it sees that.
                None if !self.come.is_empty() => {
                    let rest = std::mem::take(&mut self.come);
                    return Poll::Ready(Some(Ok(Frame::data(rest))));
                }
                end => return Poll::Ready(end),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.come.is_empty() && self.body.is_end_stream()
    }
}
