//! The inner loops, in plain Rust, and the choice between them and their AVX2 form.
//!
//! Not where shapes are checked: callers pass slices of matching lengths. The plain form is the definition; `simd` must agree
//! with it up to the order of additions, and a test compares the two.

use crate::quant::{BLOCK, Block, Matrix, ROWS, Tile4, Tile8, Tiles, from_half, to_half};

/// Which form of the inner loops to run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kernel {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2(crate::simd::Avx2),
}

/// Calls the same function of the form chosen.
macro_rules! either {
    ($self:expr, $name:ident($($argument:expr),*)) => {
        match $self {
            Kernel::Plain => plain::$name($($argument),*),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(avx2) => avx2.$name($($argument),*),
        }
    };
}

impl Kernel {
    /// The fastest form this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = crate::simd::Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Plain
    }

    /// Rounds `inputs` to fifteen bits, a block for every thirty-two.
    pub(crate) fn quantise(self, inputs: &[f32], blocks: &mut [Block]) {
        either!(self, quantise(inputs, blocks));
    }

    /// Multiplies `matrix` with one or more inputs.
    ///
    /// Shape: `inputs` is one input after another, `columns / 32` blocks each; `outputs` likewise, `rows` floats each.
    pub(crate) fn multiply(self, matrix: &Matrix, inputs: &[Block], outputs: &mut [f32]) {
        match &matrix.tiles {
            Tiles::Four(tiles) => either!(self, multiply4(tiles, matrix.rows, inputs, outputs)),
            Tiles::Eight(tiles) => either!(self, multiply8(tiles, matrix.rows, inputs, outputs)),
        }
    }

    /// Writes the products of `query` with each of the `keys`, one after another in halves.
    pub(crate) fn products(self, query: &[f32], keys: &[u16], products: &mut [f32]) {
        either!(self, products(query, keys, products));
    }

    /// Writes the sum of the `values`, each times its share.
    pub(crate) fn mix(self, shares: &[f32], values: &[u16], mixed: &mut [f32]) {
        either!(self, mix(shares, values, mixed));
    }

    /// Turns `products` into shares that sum to one, after multiplying them with `scale`.
    pub(crate) fn softmax(self, products: &mut [f32], scale: f32) {
        either!(self, softmax(products, scale));
    }

    /// Makes each gate `gate × sigmoid(gate) × up`.
    pub(crate) fn swish(self, gates: &mut [f32], ups: &[f32]) {
        either!(self, swish(gates, ups));
    }

    /// Rounds floats to halves.
    pub(crate) fn halve(self, floats: &[f32], halves: &mut [u16]) {
        either!(self, halve(floats, halves));
    }
}

/// The plain form; those functions that a compiler can make vectors of by itself are compiled once more in `simd`.
pub(crate) mod plain {
    use super::{BLOCK, Block, ROWS, Tile4, Tile8, from_half, to_half};

    /// 1.5 × 2^23: a float added to it has its nearest integer (ties to even) in its low bits.
    const ROUNDER: f32 = 12_582_912.;
    /// The greatest value of an activation: 128 × 127, so that its high byte fits.
    const TOP: f32 = 16_256.;

    #[inline(always)]
    pub(crate) fn quantise(inputs: &[f32], blocks: &mut [Block]) {
        for (inputs, block) in inputs.as_chunks::<BLOCK>().0.iter().zip(blocks) {
            *block = quantised(inputs);
        }
    }

    #[inline(always)]
    fn quantised(inputs: &[f32; BLOCK]) -> Block {
        let mut peaks = [0f32; 8];
        for inputs in inputs.as_chunks::<8>().0 {
            for (peak, input) in peaks.iter_mut().zip(inputs) {
                *peak = if input.abs() > *peak { input.abs() } else { *peak };
            }
        }
        let peak = peaks.iter().fold(0f32, |peak, next| peak.max(*next));
        let factor = if peak > 0. { TOP / peak } else { 0. };
        let mut rounded = [0i32; BLOCK];
        for (rounded, input) in rounded.iter_mut().zip(inputs) {
            *rounded = ((input * factor + ROUNDER).to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
        }
        let high = rounded.map(|value| value.wrapping_add(64) >> 7);
        let mut low = rounded;
        for (low, high) in low.iter_mut().zip(&high) {
            *low = low.wrapping_sub(high << 7);
        }
        let scale = peak / TOP;
        let sum = rounded.iter().fold(0i32, |sum, next| sum.wrapping_add(*next));
        Block { high: packed(&high), low: packed(&low), scale, sum: scale * sum as f32 }
    }

    #[inline(always)]
    fn packed(values: &[i32; BLOCK]) -> [i32; 8] {
        std::array::from_fn(|at| i32::from_le_bytes(std::array::from_fn(|byte| values[4 * at + byte] as u8)))
    }

    /// The values of four columns, twice over.
    #[inline(always)]
    fn values(block: &Block, part: usize) -> [i16; 8] {
        let (high, low) = (block.high[part].to_le_bytes(), block.low[part].to_le_bytes());
        std::array::from_fn(|at| {
            (i16::from(high[at % 4] as i8) << 7).wrapping_add(i16::from(low[at % 4] as i8))
        })
    }

    /// Adds the products of eight rows with four columns; pairs of columns, so that a compiler finds the instruction for it.
    #[inline(always)]
    fn add_products(dots: &mut [i32; 2 * ROWS], weights: [i16; BLOCK], values: [i16; 8]) {
        for (dots, weights) in dots.as_chunks_mut::<4>().0.iter_mut().zip(weights.as_chunks::<8>().0) {
            for (at, dot) in dots.iter_mut().enumerate() {
                let first = i32::from(weights[2 * at]).wrapping_mul(i32::from(values[2 * at]));
                let second = i32::from(weights[2 * at + 1]).wrapping_mul(i32::from(values[2 * at + 1]));
                *dot = dot.wrapping_add(first.wrapping_add(second));
            }
        }
    }

    pub(crate) fn multiply4(tiles: &[Tile4], rows: usize, inputs: &[Block], outputs: &mut [f32]) {
        let per_row = tiles.len() * ROWS / rows;
        for (inputs, outputs) in inputs.chunks_exact(per_row).zip(outputs.chunks_exact_mut(rows)) {
            for (tiles, outputs) in tiles.chunks_exact(per_row).zip(outputs.as_chunks_mut::<ROWS>().0) {
                *outputs =
                    tiles.iter().zip(inputs).fold([0.; ROWS], |sums, (tile, block)| add4(sums, tile, block));
            }
        }
    }

    #[inline(always)]
    fn add4(mut sums: [f32; ROWS], tile: &Tile4, block: &Block) -> [f32; ROWS] {
        let mut dots = [0i32; 2 * ROWS];
        for (part, nibbles) in tile.nibbles.iter().enumerate() {
            add_products(&mut dots, nibbles.map(|byte| i16::from(byte & 15)), values(block, part));
            add_products(&mut dots, nibbles.map(|byte| i16::from(byte >> 4)), values(block, part + 4));
        }
        for (lane, sum) in sums.iter_mut().enumerate() {
            let dot = dots[2 * lane].wrapping_add(dots[2 * lane + 1]) as f32;
            *sum += from_half(tile.scales[lane]) * block.scale * dot + from_half(tile.mins[lane]) * block.sum;
        }
        sums
    }

    pub(crate) fn multiply8(tiles: &[Tile8], rows: usize, inputs: &[Block], outputs: &mut [f32]) {
        let per_row = tiles.len() * ROWS / rows;
        for (inputs, outputs) in inputs.chunks_exact(per_row).zip(outputs.chunks_exact_mut(rows)) {
            for (tiles, outputs) in tiles.chunks_exact(per_row).zip(outputs.as_chunks_mut::<ROWS>().0) {
                *outputs =
                    tiles.iter().zip(inputs).fold([0.; ROWS], |sums, (tile, block)| add8(sums, tile, block));
            }
        }
    }

    #[inline(always)]
    fn add8(mut sums: [f32; ROWS], tile: &Tile8, block: &Block) -> [f32; ROWS] {
        let mut dots = [0i32; 2 * ROWS];
        for (part, weights) in tile.bytes.iter().enumerate() {
            add_products(&mut dots, weights.map(i16::from), values(block, part));
        }
        for (lane, sum) in sums.iter_mut().enumerate() {
            let dot = dots[2 * lane].wrapping_add(dots[2 * lane + 1]) as f32;
            *sum += from_half(tile.scales[lane]) * block.scale * dot;
        }
        sums
    }

    pub(crate) fn products(query: &[f32], keys: &[u16], products: &mut [f32]) {
        for (key, product) in keys.chunks_exact(query.len()).zip(products) {
            *product = query.iter().zip(key).map(|(query, key)| query * from_half(*key)).sum();
        }
    }

    pub(crate) fn mix(shares: &[f32], values: &[u16], mixed: &mut [f32]) {
        mixed.fill(0.);
        for (share, value) in shares.iter().zip(values.chunks_exact(mixed.len())) {
            for (mixed, value) in mixed.iter_mut().zip(value) {
                *mixed += share * from_half(*value);
            }
        }
    }

    #[inline(always)]
    pub(crate) fn softmax(products: &mut [f32], scale: f32) {
        let peak =
            products.iter().fold(f32::NEG_INFINITY, |peak, next| if *next > peak { *next } else { peak });
        for product in products.iter_mut() {
            *product = exp((*product - peak) * scale);
        }
        let mut sums = [0f32; 8];
        let (chunks, rest) = products.as_chunks::<8>();
        for chunk in chunks {
            for (sum, share) in sums.iter_mut().zip(chunk) {
                *sum += share;
            }
        }
        let sum = sums.iter().chain(rest).sum::<f32>();
        for product in products.iter_mut() {
            *product /= sum;
        }
    }

    #[inline(always)]
    pub(crate) fn swish(gates: &mut [f32], ups: &[f32]) {
        for (gate, up) in gates.iter_mut().zip(ups) {
            *gate = *gate / (1. + exp(-*gate)) * up;
        }
    }

    pub(crate) fn halve(floats: &[f32], halves: &mut [u16]) {
        for (float, half) in floats.iter().zip(halves) {
            *half = to_half(*float);
        }
    }

    /// e to the power `x`, within three parts in ten million; `x` is held to ±87, inside the range of a float.
    ///
    /// Source: range reduction by ln 2 in two parts and the polynomial of Cephes' `expf` (S. Moshier).
    #[inline(always)]
    pub(crate) fn exp(x: f32) -> f32 {
        let x = if x > 87. { 87. } else { x };
        let x = if x < -87. { -87. } else { x };
        let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
        let power = shifted - ROUNDER;
        let rest = x - power * 0.693_359_4 + power * 2.121_944_4e-4;
        let mut sum = 1.987_569_2e-4;
        for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
            sum = sum * rest + coefficient;
        }
        let fraction = sum * rest * rest + rest + 1.;
        let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
        f32::from_bits((fraction.to_bits() as i32).wrapping_add(exponent << 23) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repeatable spread of numbers in -1..1.
    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut random = crate::sampling::Random::new(seed);
        (0..count).map(|_| random.fraction() * 2. - 1.).collect()
    }

    fn bytes<const N: usize>(seed: u64) -> [u8; N] {
        let numbers = numbers(N, seed);
        std::array::from_fn(|at| ((numbers[at] + 1.) * 128.) as u8)
    }

    fn halves(seed: u64) -> [u16; ROWS] {
        let numbers = numbers(ROWS, seed);
        std::array::from_fn(|at| to_half(numbers[at]))
    }

    fn matrix4(rows: usize, columns: usize) -> Matrix {
        let tile = |seed: u64| Tile4 {
            scales: halves(seed),
            mins: halves(seed + 1000),
            nibbles: std::array::from_fn(|part| bytes(seed * 4 + part as u64)),
        };
        let count = (rows / ROWS * columns / BLOCK) as u64;
        Matrix { tiles: Tiles::Four((0..count).map(tile).collect()), rows, columns }
    }

    fn matrix8(rows: usize, columns: usize) -> Matrix {
        let part = |seed: u64| bytes::<BLOCK>(seed).map(|byte| byte as i8);
        let tile = |seed: u64| Tile8 {
            scales: halves(seed),
            bytes: std::array::from_fn(|at| part(seed * 8 + at as u64)),
        };
        let count = (rows / ROWS * columns / BLOCK) as u64;
        Matrix { tiles: Tiles::Eight((0..count).map(tile).collect()), rows, columns }
    }

    fn close(left: &[f32], right: &[f32], tolerance: f32) {
        assert_eq!(left.len(), right.len());
        for (at, (left, right)) in left.iter().zip(right).enumerate() {
            assert!((left - right).abs() <= tolerance * (1. + right.abs()), "at {at}: {left} and {right}");
        }
    }

    fn both() -> [Kernel; 2] {
        [Kernel::Plain, Kernel::detect()]
    }

    #[test]
    fn multiplying_tiles_is_multiplying_their_rows() {
        for matrix in [matrix4(24, 96), matrix8(16, 64)] {
            let inputs = numbers(7 * matrix.columns, 5);
            let mut blocks = vec![Block::default(); inputs.len() / BLOCK];
            let mut row = vec![0.; matrix.columns];
            for kernel in both() {
                kernel.quantise(&inputs, &mut blocks);
                let mut outputs = vec![0.; 7 * matrix.rows];
                kernel.multiply(&matrix, &blocks, &mut outputs);
                for (input, outputs) in
                    inputs.chunks_exact(matrix.columns).zip(outputs.chunks_exact(matrix.rows))
                {
                    for (at, output) in outputs.iter().enumerate() {
                        matrix.row(at, &mut row);
                        let exact: f32 = row.iter().zip(input).map(|(weight, input)| weight * input).sum();
                        // Rounding moves an input, at most 1, by at most half a step of 1/16256.
                        let bound: f32 = row.iter().map(|weight| weight.abs() * 0.5 / 16_256.).sum();
                        assert!(
                            (output - exact).abs() <= bound + 1e-4 * (1. + exact.abs()),
                            "{output} and {exact} ± {bound}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn both_forms_multiply_alike() {
        for matrix in [matrix4(576, 192), matrix8(64, 576)] {
            let inputs = numbers(6 * matrix.columns, 9);
            let mut blocks = vec![Block::default(); inputs.len() / BLOCK];
            let outputs = both().map(|kernel| {
                kernel.quantise(&inputs, &mut blocks);
                let mut outputs = vec![0.; 6 * matrix.rows];
                kernel.multiply(&matrix, &blocks, &mut outputs);
                outputs
            });
            close(&outputs[1], &outputs[0], 1e-4);
        }
    }

    #[test]
    fn the_extreme_values_do_not_overflow() {
        let tile4 = Tile4 { scales: [0x3c00; 8], mins: [0; 8], nibbles: [[0xff; BLOCK]; 4] };
        let tile8 = Tile8 { scales: [0x3c00; 8], bytes: [[-128; BLOCK]; 8] };
        let four = Matrix { tiles: Tiles::Four(vec![tile4]), rows: 8, columns: 32 };
        let eight = Matrix { tiles: Tiles::Eight(vec![tile8]), rows: 8, columns: 32 };
        for sign in [1f32, -1.] {
            for kernel in both() {
                let mut blocks = [Block::default()];
                kernel.quantise(&[sign * 127.; 32], &mut blocks);
                let mut outputs = [0.; 8];
                kernel.multiply(&four, &blocks, &mut outputs);
                assert_eq!(outputs, [sign * 15. * 127. * 32.; 8]);
                kernel.multiply(&eight, &blocks, &mut outputs);
                assert_eq!(outputs, [sign * -128. * 127. * 32.; 8]);
            }
        }
    }

    #[test]
    fn quantising_keeps_the_peak_and_sums_what_it_kept() {
        let mut inputs = [0.; 32];
        inputs[3] = -2.;
        inputs[9] = 1.;
        for kernel in both() {
            let mut blocks = [Block::default()];
            kernel.quantise(&inputs, &mut blocks);
            assert_eq!(blocks[0].scale, 2. / 16_256.);
            let value = |at: usize| {
                let byte = |bytes: [i32; 8]| i32::from(bytes[at / 4].to_le_bytes()[at % 4] as i8);
                128 * byte(blocks[0].high) + byte(blocks[0].low)
            };
            assert_eq!((value(3), value(9), value(0)), (-16_256, 8_128, 0));
            assert!((blocks[0].sum + 1.).abs() < 1e-6);
            kernel.quantise(&[0.; 32], &mut blocks);
            assert_eq!((blocks[0].scale, blocks[0].high, blocks[0].low), (0., [0; 8], [0; 8]));
        }
    }

    #[test]
    fn both_forms_attend_alike() {
        let query = numbers(64, 1);
        let mut keys = vec![0; 64 * 37];
        Kernel::Plain.halve(&numbers(64 * 37, 2), &mut keys);
        let results = both().map(|kernel| {
            let (mut shares, mut mixed) = (vec![0.; 37], vec![0.; 64]);
            kernel.products(&query, &keys, &mut shares);
            kernel.softmax(&mut shares, 0.125);
            kernel.mix(&shares, &keys, &mut mixed);
            (shares, mixed)
        });
        close(&results[1].0, &results[0].0, 1e-5);
        close(&results[1].1, &results[0].1, 1e-5);
    }

    #[test]
    fn both_forms_round_to_the_same_halves() {
        let numbers: Vec<f32> = numbers(4096, 3).iter().map(|number| number * 1e-3).collect();
        let halves = both().map(|kernel| {
            let mut halves = vec![0; numbers.len()];
            kernel.halve(&numbers, &mut halves);
            halves
        });
        assert_eq!(halves[0], halves[1]);
    }

    #[test]
    fn softmax_gives_shares_that_sum_to_one() {
        for kernel in both() {
            let mut shares = [1., 3., 2., f32::NEG_INFINITY, 1000., 999., 0., 0., 0.];
            kernel.softmax(&mut shares, 1.);
            assert!((shares.iter().sum::<f32>() - 1.).abs() < 1e-6);
            assert!((shares[4] / shares[5] - std::f32::consts::E).abs() < 1e-5);
            assert!(shares[3] < 1e-30);
        }
    }

    #[test]
    fn exp_is_within_three_parts_in_ten_million() {
        for step in -8600..8600 {
            let x = step as f32 / 100.;
            let exact = f64::from(x).exp();
            assert!((f64::from(plain::exp(x)) / exact - 1.).abs() < 3e-7, "at {x}");
        }
    }

    #[test]
    fn swish_is_its_formula() {
        for kernel in both() {
            let gates = numbers(64, 4);
            let mut swished = gates.clone();
            kernel.swish(&mut swished, &[2.; 64]);
            let exact: Vec<f32> = gates.iter().map(|gate| 2. * gate / (1. + (-gate).exp())).collect();
            close(&swished, &exact, 1e-6);
        }
    }
}
