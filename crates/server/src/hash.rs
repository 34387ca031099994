//! Hashing that a client cannot foresee and a simulation can repeat: SipHash, begun with the node's seed.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};

/// A map over keys that the server makes itself, whose order of iteration depends on its history only.
pub(crate) type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// A map over keys that clients choose.
pub(crate) type KeyMap<K, V> = HashMap<K, V, KeyHash>;

/// How keys that clients choose are hashed: whoever does not know the seed cannot make keys that collide.
#[derive(Debug, Clone)]
pub(crate) struct KeyHash(DefaultHasher);

impl KeyHash {
    pub(crate) fn new(seed: u64) -> Self {
        let mut begun = DefaultHasher::new();
        begun.write_u64(seed);
        Self(begun)
    }

    /// An empty map over such keys.
    pub(crate) fn map<K, V>(&self) -> KeyMap<K, V> {
        HashMap::with_hasher(self.clone())
    }

    /// Which of `slots` a key belongs to.
    pub(crate) fn slot_of(&self, key: &impl Hash, slots: usize) -> usize {
        usize::try_from(self.hash_one(key) % slots as u64).unwrap_or(0)
    }
}

impl BuildHasher for KeyHash {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_places_and_others_do_not() {
        let places = |seed| {
            let keys = KeyHash::new(seed);
            (0..64).map(|n| keys.slot_of(&format!("workflow {n}"), 16)).collect::<Vec<_>>()
        };
        assert_eq!(places(1), places(1));
        assert_ne!(places(1), places(2));
    }
}
