//! The conversions between the attributes of events and commands, and their types.
//!
//! The API says the kind of an event or command twice, so writing it by hand twice is a chance to contradict oneself:
//! take `event_type()` or `command_type()` from the attributes instead.

include!(concat!(env!("OUT_DIR"), "/attributes.rs"));
