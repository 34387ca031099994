//! Activities through the front door: requests in, histories and answers out. After each step the state is rebuilt from
//! what was recorded, and the invariants of pending activities are checked.

mod attempts;
mod cancellation;
mod operators;
mod options;
mod random;
mod world;
