//! From logits to a token.
//!
//! Not a zoo of samplers: temperature and nucleus (top-p), as the chat APIs offer them. There is no randomness here; a
//! [`Random`] is numbers that follow from a seed.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// How an answer is drawn, and where it ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest token each time; 1 is the model's own distribution; above, flatter. Negative or no number: as 0.
    pub temperature: f32,
    /// The likeliest tokens whose probabilities sum to this are kept; 1 or more keeps all. At least one token is kept.
    pub top_p: f32,
    /// The same seed, prompt and settings give the same answer on the same kind of processor; `None` gives a new one each time.
    pub seed: Option<u64>,
    /// The answer ends before the first of these to appear. Empty strings are ignored.
    pub stop: Vec<String>,
    /// The answer has at most so many tokens.
    pub max_tokens: u32,
}

/// Draws tokens by the settings of a [`Sampling`].
#[derive(Debug)]
pub(crate) struct Sampler {
    temperature: f32,
    top_p: f32,
    random: Random,
}

/// Numbers that follow from a seed. Source: `SplitMix64` (Steele, Lea and Flood 2014).
#[derive(Debug)]
pub(crate) struct Random(u64);

/// A token with its share of the probability, ordered by share, then by lower id.
#[derive(Clone, Copy, PartialEq)]
struct Share {
    share: f32,
    token: u32,
}

impl Sampler {
    pub(crate) fn new(sampling: &Sampling, seed: u64) -> Self {
        Self { temperature: sampling.temperature, top_p: sampling.top_p, random: Random::new(seed) }
    }

    /// The next token; consumes `logits`, of which there must be at least one.
    pub(crate) fn draw(&mut self, mut logits: Vec<f32>) -> u32 {
        if self.temperature.is_nan() || self.temperature <= 0. {
            return likeliest(&logits);
        }
        let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0f64;
        for logit in &mut logits {
            *logit = ((*logit - peak) / self.temperature).exp();
            sum += f64::from(*logit);
        }
        let target = self.random.fraction();
        if self.top_p < 1. {
            self.nucleus(&logits, sum, target)
        } else {
            find(shares(&logits), f64::from(target) * sum)
        }
    }

    /// Draws among the likeliest tokens that together have `top_p` of `sum`.
    fn nucleus(&self, weights: &[f32], sum: f64, target: f32) -> u32 {
        let wanted = f64::from(self.top_p.max(0.)) * sum;
        let mut heap: BinaryHeap<Share> = shares(weights).collect();
        let mut kept = Vec::new();
        let mut kept_sum = 0f64;
        while let Some(next) = heap.pop() {
            kept.push(next);
            kept_sum += f64::from(next.share);
            if kept_sum >= wanted {
                break;
            }
        }
        find(kept.into_iter(), f64::from(target) * kept_sum)
    }
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from 0 up to, not including, 1.
    pub(crate) fn fraction(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }
}

/// A seed made of bytes. Source: 64-bit FNV-1a.
pub(crate) fn seed_of(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The token of the greatest logit; the first among equals.
fn likeliest(logits: &[f32]) -> u32 {
    let better = |best: Share, next: Share| if next.share > best.share { next } else { best };
    shares(logits).reduce(better).map_or(0, |share| share.token)
}

fn shares(weights: &[f32]) -> impl Iterator<Item = Share> {
    weights.iter().zip(0..).map(|(share, token)| Share { share: *share, token })
}

/// The token at which the running sum passes `target`; the last if rounding keeps it from passing.
fn find(shares: impl Iterator<Item = Share>, target: f64) -> u32 {
    let mut sum = 0f64;
    let mut last = 0;
    for Share { share, token } in shares.filter(|share| share.share > 0.) {
        sum += f64::from(share);
        last = token;
        if sum > target {
            break;
        }
    }
    last
}

impl Eq for Share {}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> Ordering {
        self.share.total_cmp(&other.share).then(other.token.cmp(&self.token))
    }
}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: f32, top_p: f32, seed: u64) -> Sampler {
        let sampling = Sampling { temperature, top_p, seed: None, stop: vec![], max_tokens: 1 };
        Sampler::new(&sampling, seed)
    }

    /// How often each of four tokens is drawn in ten thousand draws from 4 : 3 : 2 : 1.
    fn counts(temperature: f32, top_p: f32) -> [u32; 4] {
        let logits: Vec<f32> = [4f32, 3., 2., 1.].map(f32::ln).to_vec();
        let mut sampler = sampler(temperature, top_p, 7);
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            counts[sampler.draw(logits.clone()) as usize] += 1;
        }
        counts
    }

    fn near(counts: [u32; 4], wanted: [u32; 4]) {
        // Four standard deviations of a count are at most 200.
        assert!(counts.iter().zip(wanted).all(|(count, wanted)| count.abs_diff(wanted) <= 200), "{counts:?}");
    }

    #[test]
    fn temperature_one_draws_the_models_distribution() {
        near(counts(1., 1.), [4000, 3000, 2000, 1000]);
    }

    #[test]
    fn a_low_temperature_sharpens_it() {
        near(counts(0.5, 1.), [5333, 3000, 1333, 333]);
    }

    #[test]
    fn top_p_keeps_the_fewest_tokens_that_reach_it() {
        near(counts(1., 0.65), [5714, 4286, 0, 0]);
        near(counts(1., 0.75), [4444, 3333, 2222, 0]);
        assert_eq!(counts(1., 0.), [10_000, 0, 0, 0]);
    }

    #[test]
    fn no_temperature_takes_the_likeliest_and_the_first_of_equals() {
        for temperature in [0., -1., f32::NAN] {
            assert_eq!(sampler(temperature, 1., 1).draw(vec![1., 5., 5., 2.]), 1);
        }
    }

    #[test]
    fn an_impossible_token_is_never_drawn() {
        let mut sampler = sampler(2., 1., 3);
        assert!((0..1000).all(|_| sampler.draw(vec![f32::NEG_INFINITY, 0., f32::NEG_INFINITY]) == 1));
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let draws = |seed| {
            let mut sampler = sampler(1.5, 0.9, seed);
            (0..50)
                .map(|_| sampler.draw((0..100).map(|token| (token as f32).sin()).collect()))
                .collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }

    #[test]
    fn random_numbers_are_splitmix64s() {
        let mut random = Random::new(1_234_567);
        let first: [u64; 3] = std::array::from_fn(|_| random.next());
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
        assert!((0..10_000).map(|_| random.fraction()).all(|fraction| (0. ..1.).contains(&fraction)));
    }
}
