//! Where to go on reading a history.

use bytes::Bytes;

use crate::error::{Error, Result};

/// A place between two events of a history, to be stored and resumed from: see
/// [`HistoryEvents::resume`](super::HistoryEvents::resume).
///
/// It holds for as long as the server accepts its page tokens, which is at least while the run exists.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::ResumeToken;
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let first = order.fetch_history_events().next().await.unwrap()?;
/// let stored = first.resume_token.to_bytes();
///
/// let mut rest = order.fetch_history_events().resume(ResumeToken::from_bytes(&stored)?);
/// assert_eq!(rest.next().await.unwrap()?.event_id, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ResumeToken {
    /// The token of the page that has the next event.
    page: Bytes,
    /// How many events of that page come before.
    offset: usize,
    /// The token of the page behind it.
    next: Bytes,
}

impl ResumeToken {
    pub(super) fn new(page: Bytes, offset: usize, next: Bytes) -> Self {
        Self { page, offset, next }
    }

    pub(super) fn at_page(page: Bytes) -> Self {
        Self { page, ..Self::default() }
    }

    pub(super) fn page_token(&self) -> Bytes {
        self.page.clone()
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Steps over an event. Behind the last one of a page the next page begins, if there is one.
    pub(super) fn advance(&mut self, last_of_page: bool) {
        if last_of_page && !self.next.is_empty() {
            *self = Self::at_page(std::mem::take(&mut self.next));
        } else {
            self.offset += 1;
        }
    }

    /// The token as bytes, to be stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let offset = u32::try_from(self.offset).unwrap_or(u32::MAX);
        [&offset.to_be_bytes()[..], &self.page].concat()
    }

    /// The token of bytes that [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if they are something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (offset, page) = bytes
            .split_first_chunk::<4>()
            .ok_or_else(|| Error::invalid(format!("{} bytes are too few for a resume token", bytes.len())))?;
        let offset = usize::try_from(u32::from_be_bytes(*offset)).unwrap_or(usize::MAX);
        Ok(Self { page: Bytes::copy_from_slice(page), offset, next: Bytes::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_storage() {
        let token = ResumeToken::new(Bytes::from_static(b"page"), 7, Bytes::new());
        assert_eq!(ResumeToken::from_bytes(&token.to_bytes()).unwrap(), token);
        assert!(ResumeToken::from_bytes(&[1, 2]).is_err());
    }

    #[test]
    fn behind_the_last_event_of_a_page_the_next_page_begins() {
        let mut token = ResumeToken::new(Bytes::from_static(b"a"), 0, Bytes::from_static(b"b"));
        token.advance(false);
        assert_eq!((token.page_token(), token.offset()), (Bytes::from_static(b"a"), 1));
        token.advance(true);
        assert_eq!(token, ResumeToken::at_page(Bytes::from_static(b"b")));
        token.advance(true);
        assert_eq!((token.page_token(), token.offset()), (Bytes::from_static(b"b"), 1));
    }
}
