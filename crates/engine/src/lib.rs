//! Every decision of the server, as pure functions.
