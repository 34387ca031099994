//! Numbers that look random and are the same for the same seed everywhere.

/// The generator known as SplitMix64: one word of state, and good enough to choose by.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from zero up to a bound, without it.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// A number between two, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).cast_unsigned()).cast_signed()
    }

    /// True once in so many times.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of several, which must not be empty.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let choice = self.below(choices.len() as u64);
        &choices[usize::try_from(choice).unwrap_or(0)]
    }

    /// Bytes that tell where they came from, now and then many of them.
    pub(super) fn bytes(&mut self) -> bytes::Bytes {
        let length = if self.one_in(20) { 40_000 } else { 1 + self.below(40) };
        let first = self.next().to_le_bytes();
        first.into_iter().cycle().take(usize::try_from(length).unwrap_or(1)).collect()
    }
}
