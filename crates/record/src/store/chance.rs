//! Chance that can be had again: numbers that a seed gives. For tests; not for keys, salts or ids.

/// A row of numbers that look random and are the same for the same seed.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number. Source: `SplitMix64` (Steele, Lea and Flood 2014).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`; 0 where that is 0.
    pub fn below(&mut self, count: u64) -> u64 {
        self.number().checked_rem(count).unwrap_or(0)
    }

    /// True `times` out of `of`.
    pub fn hits(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }

    /// One of these; none if there are none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len() as u64)).unwrap_or(0))
    }

    /// Another row of numbers.
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }
}
