//! Slots: a fixed division of all executions, by which several servers share them.
//!
//! The slot of an execution follows from its address alone and never changes. It is part of what is stored: a process
//! that placed an execution elsewhere would take it from its owner.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

/// How many slots there are.
pub const SLOTS: u16 = 4096;

/// How many slots a word of a set holds.
const WORD: usize = u64::BITS as usize;
const WORDS: usize = SLOTS as usize / WORD;

/// Where an execution belongs: what is decided for one slot is decided by one server at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u16);

impl Slot {
    /// The slot of an address, the same for all runs of an id.
    ///
    /// It is FNV-1a with 64 bits, modulo the number of slots, of the namespace's id, the byte 0xFF and the id, and for a
    /// kind other than 0 once more 0xFF and the kind. 0xFF occurs in no text, so that no two addresses read alike.
    #[must_use]
    pub fn of(namespace_id: &str, kind: u8, id: &str) -> Self {
        let mut hash = fnv(0xcbf2_9ce4_8422_2325, namespace_id.as_bytes());
        hash = fnv(hash, &[0xff]);
        hash = fnv(hash, id.as_bytes());
        if kind != 0 {
            hash = fnv(hash, &[0xff, kind]);
        }
        Self::numbered(hash)
    }

    /// The slot with a number, modulo the number of slots.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        // The remainder is below a number of 16 bits.
        Self((number % u64::from(SLOTS)) as u16)
    }

    /// Its number, below [`SLOTS`].
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    fn place(self) -> (usize, u64) {
        let number = usize::from(self.0);
        (number / WORD, 1 << (number % WORD))
    }
}

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Some slots. Copies share their memory until one of them changes.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotSet(Arc<[u64; WORDS]>);

impl SlotSet {
    /// Every slot there is.
    #[must_use]
    pub fn all() -> Self {
        Self(Arc::new([u64::MAX; WORDS]))
    }

    /// Whether it has every slot.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.iter().all(|word| *word == u64::MAX)
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether a slot is in it.
    #[must_use]
    pub fn contains(&self, slot: Slot) -> bool {
        let (word, bit) = slot.place();
        self.0[word] & bit != 0
    }

    /// Adds a slot.
    pub fn insert(&mut self, slot: Slot) {
        let (word, bit) = slot.place();
        if self.0[word] & bit == 0 {
            Arc::make_mut(&mut self.0)[word] |= bit;
        }
    }

    /// Adds the slots of another set.
    pub fn add(&mut self, other: &Self) {
        let words = Arc::make_mut(&mut self.0).iter_mut();
        words.zip(other.0.iter()).for_each(|(word, other)| *word |= other);
    }

    /// What is in it and not in another set.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(Arc::new(std::array::from_fn(|word| self.0[word] & !other.0[word])))
    }

    /// Its slots in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..SLOTS).map(Slot).filter(|slot| self.contains(*slot))
    }
}

/// No slots.
impl Default for SlotSet {
    fn default() -> Self {
        Self(Arc::new([0; WORDS]))
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self::default();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

impl Debug for SlotSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        if self.is_all() { f.write_str("all") } else { f.debug_set().entries(self.iter().map(Slot::number)).finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slots are stored: these numbers never change.
    #[test]
    fn addresses_have_the_slots_that_they_always_had() {
        let namespace_id = "32049b68-7872-4094-8e63-d0dd59896a83";
        for (namespace_id, kind, id, slot) in [
            ("", 0, "", 2926),
            (namespace_id, 0, "order-1", 294),
            (namespace_id, 0, "order-2", 3955),
            (namespace_id, 3, "order-1", 424),
            ("a", 0, "b", 1969),
            ("ab", 0, "", 1327),
            ("ns", 0, "Bestellung-ä", 1308),
            ("ns", 255, "", 3241),
        ] {
            assert_eq!(Slot::of(namespace_id, kind, id).number(), slot, "{namespace_id} {kind} {id}");
        }
    }

    #[test]
    fn ids_that_count_up_are_spread_evenly() {
        let mut counts = [0; SLOTS as usize];
        for number in 0..100 * u32::from(SLOTS) {
            counts[usize::from(Slot::of("namespace", 0, &format!("order-{number}")).number())] += 1;
        }
        let (fewest, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*fewest > 50 && *most < 160, "from {fewest} to {most}, 100 expected");
    }

    #[test]
    fn sets_hold_what_is_put_into_them() {
        let slots = [0, 1, 63, 64, 2000, 4095].map(Slot::numbered);
        let set: SlotSet = slots.into_iter().collect();
        assert!(set.iter().eq(slots));
        let others = SlotSet::all().without(&set);
        assert!(!others.is_all() && others.iter().count() == usize::from(SLOTS) - slots.len());
        assert!(slots.iter().all(|slot| set.contains(*slot) && !others.contains(*slot)));
        let mut both = others.clone();
        both.add(&set);
        assert!(both.is_all() && !others.is_all());
        assert!(set.without(&SlotSet::all()).is_empty());
    }
}
