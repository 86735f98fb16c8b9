//! Numbers that look random and are the same in each run.

/// A row of such numbers.
pub(crate) struct Dice(u64);

impl Dice {
    /// The row that a seed begins.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number. Range: 0 to `bound` less one.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mixed(self.0) % bound
    }
}

/// The number that belongs to another, looking random. Source: the finaliser of SplitMix64.
pub(crate) const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
