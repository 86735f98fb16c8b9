//! Numbers that look random and are the same in each run, unless `COUNTERSIGN_TEST_SEED` gives another seed.

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

/// The seed of this run. A test that uses it prints it, so that what it found can be found again.
pub(crate) fn seed() -> u64 {
    let given = std::env::var_os("COUNTERSIGN_TEST_SEED");
    given.map_or(SEED, |seed| seed.to_str().unwrap().parse().unwrap())
}

/// As good as any other.
const SEED: u64 = 20_261_125;

/// The number that belongs to another, looking random. Source: the finaliser of `SplitMix64`.
pub(crate) const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
