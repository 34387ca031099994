//! The token of a page: where the next one begins, for clients to hand back.

use bytes::Bytes;
use evertide_engine::Rejection;
use evertide_store::ListCursor;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct Token {
    #[prost(int64, tag = "1")]
    close_time_ns: i64,
    #[prost(int64, tag = "2")]
    start_time_ns: i64,
    #[prost(string, tag = "3")]
    run_id: String,
    #[prost(int64, tag = "4")]
    run_key: i64,
}

/// The token of the page after this place.
pub(super) fn token(after: ListCursor) -> Bytes {
    let ListCursor { close_time_ns, start_time_ns, run_id, run_key } = after;
    Token { close_time_ns, start_time_ns, run_id, run_key }.encode_to_vec().into()
}

/// Reads the token of a request; none for the first page.
pub(super) fn read_token(bytes: &[u8]) -> Result<Option<ListCursor>, Rejection> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let token = Token::decode(bytes).ok().filter(|t| !t.run_id.is_empty());
    let Token { close_time_ns, start_time_ns, run_id, run_key } =
        token.ok_or_else(|| Rejection::invalid("Invalid NextPageToken."))?;
    Ok(Some(ListCursor { close_time_ns, start_time_ns, run_id, run_key }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_was() {
        let cursor = ListCursor { close_time_ns: i64::MAX, start_time_ns: 1, run_id: "r".to_owned(), run_key: 7 };
        assert_eq!(read_token(&token(cursor.clone())), Ok(Some(cursor)));
        assert_eq!(read_token(b""), Ok(None));
        assert!(read_token(b"nonsense").is_err());
    }
}
