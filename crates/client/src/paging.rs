//! Reading page after page.

use std::fmt;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::call::CallFuture;
use crate::error::Result;

/// A page that names the next one.
pub(crate) trait Page {
    /// The token of the next page, empty after the last one.
    fn next_page_token(&self) -> &Bytes;
}

/// Where the reading is.
pub(crate) enum Paging<P> {
    /// Before the page of a token.
    Before(Bytes),
    /// Waiting for that page. The token is kept to ask again after an error.
    Asked(Bytes, CallFuture<P>),
    /// Behind the last page.
    End,
}

impl<P: Page> Paging<P> {
    pub(crate) fn from_start() -> Self {
        Self::Before(Bytes::new())
    }

    /// Polls for the next page, asking for it if need be. Whoever polls again after an error asks for the same page.
    pub(crate) fn poll_page(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(Bytes) -> CallFuture<P>,
    ) -> Poll<Option<Result<P>>> {
        if let Self::Before(token) = self {
            let token = std::mem::take(token);
            *self = Self::Asked(token.clone(), ask(token));
        }
        let Self::Asked(token, page) = self else {
            return Poll::Ready(None);
        };
        let page = ready!(page.as_mut().poll(cx));
        *self = match &page {
            Ok(page) if page.next_page_token().is_empty() => Self::End,
            Ok(page) => Self::Before(page.next_page_token().clone()),
            Err(_) => Self::Before(std::mem::take(token)),
        };
        Poll::Ready(Some(page))
    }
}

impl<P> fmt::Debug for Paging<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before(_) => "before a page",
            Self::Asked(..) => "waiting for a page",
            Self::End => "at the end",
        })
    }
}
