//! A hash that is the same in every process and on every run, so that a simulated run can be repeated.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A map whose order of iteration depends on its history only.
pub(crate) type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;

/// FNV-1a with 64 bits.
#[derive(Debug, Clone)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        // The low bits choose the bucket, and FNV mixes them least.
        self.0 ^ (self.0 >> 32)
    }
}

/// Which of `slots` a key belongs to.
pub(crate) fn slot_of(key: &impl Hash, slots: usize) -> usize {
    let mut hasher = Fnv::default();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % slots as u64).unwrap_or(0)
}
