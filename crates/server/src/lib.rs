//! The embeddable server.
