//! Chance that can be had again.

/// Numbers as good as random, always the same ones for a seed.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound.max(1)
    }

    /// One of some.
    pub(crate) fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }

    /// A number of this many digits that does not begin with a nought.
    pub(crate) fn number(&mut self, digits: usize) -> String {
        let first = b'1' + u8::try_from(self.below(9)).expect("a digit");
        std::iter::once(char::from(first)).chain(self.signs(digits - 1, "0123456789").chars()).collect()
    }

    /// So many signs out of some.
    pub(crate) fn signs(&mut self, count: usize, out_of: &str) -> String {
        let signs: Vec<char> = out_of.chars().collect();
        (0..count).map(|_| self.of(&signs)).collect()
    }
}
