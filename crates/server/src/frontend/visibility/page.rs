//! The token of a page: where the next one begins, for clients to hand back. It is bound to its namespace.

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
    #[prost(string, tag = "5")]
    namespace_id: String,
}

/// The token of the page after this place.
pub(super) fn token(namespace_id: &str, after: ListCursor) -> Bytes {
    let ListCursor { close_time_ns, start_time_ns, run_id, run_key } = after;
    let namespace_id = namespace_id.to_owned();
    Token { close_time_ns, start_time_ns, run_id, run_key, namespace_id }.encode_to_vec().into()
}

/// Reads the token of a request; none for the first page.
pub(super) fn read_token(namespace_id: &str, bytes: &[u8]) -> Result<Option<ListCursor>, Rejection> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let token = Token::decode(bytes).ok().filter(|t| !t.run_id.is_empty() && t.namespace_id == namespace_id);
    let Token { close_time_ns, start_time_ns, run_id, run_key, .. } =
        token.ok_or_else(|| Rejection::invalid("Invalid NextPageToken."))?;
    Ok(Some(ListCursor { close_time_ns, start_time_ns, run_id, run_key }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_was() {
        let cursor = ListCursor { close_time_ns: i64::MAX, start_time_ns: 1, run_id: "r".to_owned(), run_key: 7 };
        let token = token("n", cursor.clone());
        assert_eq!(read_token("n", &token), Ok(Some(cursor)));
        assert!(read_token("other", &token).is_err());
        assert_eq!(read_token("n", b""), Ok(None));
        assert!(read_token("n", b"nonsense").is_err());
    }
}
