//! TLS and mTLS against a server that speaks it, with certificates made for each test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may say so by a panic")]

mod tls {
    mod authority;
    mod server;

    mod connecting;
    mod environment;
}
