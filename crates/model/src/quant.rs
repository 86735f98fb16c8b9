//! Weights in ggml's `Q4_1` and `Q8_0` formats, and activations in fifteen bits.
//!
//! Not the arithmetic on them, which is `kernel`'s. Weights are repacked when read: eight rows by thirty-two columns make a
//! *tile*, in which four columns of each of the eight rows stand side by side, so that one vector register serves eight rows
//! and no sum ever runs across a register. A tile takes exactly as many bytes as the eight blocks it was made from.

use crate::ModelError;
use crate::gguf::{Gguf, Tensor};

/// Columns that share a scale.
pub(crate) const BLOCK: usize = 32;
/// Rows in a tile.
pub(crate) const ROWS: usize = 8;

const F32: u32 = 0;
const Q4_1: u32 = 3;
const Q8_0: u32 = 8;

/// A matrix of weights: `rows` outputs of `columns` inputs.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(crate) tiles: Tiles,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// The tiles of a matrix, `columns / 32` for each eight rows.
#[derive(Debug)]
pub(crate) enum Tiles {
    Four(Vec<Tile4>),
    Eight(Vec<Tile8>),
}

/// Eight blocks of `Q4_1`: weight = scale × nibble + min.
///
/// Shape: byte `4 r + b` of `nibbles[j]` holds row `r`, column `4 j + b` in its low half and column `16 + 4 j + b` in its high.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Tile4 {
    pub(crate) scales: [u16; ROWS],
    pub(crate) mins: [u16; ROWS],
    pub(crate) nibbles: [[u8; BLOCK]; 4],
}

/// Eight blocks of `Q8_0`: weight = scale × byte. Shape: byte `4 r + b` of `bytes[j]` holds row `r`, column `4 j + b`.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Tile8 {
    pub(crate) scales: [u16; ROWS],
    pub(crate) bytes: [[i8; BLOCK]; 8],
}

/// Thirty-two activations in fifteen bits: activation = scale × (128 × high + low).
///
/// Eight bits, which most engines use, move the log-probabilities of a model this small by a tenth of a nat, enough to turn
/// its answers; fifteen move them by a thousandth and cost no more memory traffic (`docs/why/0002-a-forward-pass-of-our-own.md`).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Block {
    /// Four signed bytes each, the first lowest; -127 to 127.
    pub(crate) high: [i32; 8],
    /// Likewise; -64 to 63.
    pub(crate) low: [i32; 8],
    pub(crate) scale: f32,
    /// The sum of the activations as rounded; what a weight's `min` is multiplied by.
    pub(crate) sum: f32,
}

impl Matrix {
    /// Reads the matrix `name`, which must have the given sizes.
    pub(crate) fn read(gguf: &mut Gguf, name: &str, rows: usize, columns: usize) -> Result<Self, ModelError> {
        let tensor = gguf.tensor(name)?;
        check_sizes(gguf, name, &tensor, &[columns, rows])?;
        if !rows.is_multiple_of(ROWS) || !columns.is_multiple_of(BLOCK) {
            return Err(gguf.unsupported(format!(
                "`{name}` is {rows} by {columns}, not in multiples of {ROWS} and {BLOCK}"
            )));
        }
        let blocks = (rows * columns / BLOCK) as u64;
        let tiles = match tensor.format {
            Q4_1 => Tiles::Four(tiles(&gguf.bytes(&tensor, blocks * 20)?, 20, columns, tile4)),
            Q8_0 => Tiles::Eight(tiles(&gguf.bytes(&tensor, blocks * 34)?, 34, columns, tile8)),
            other => {
                return Err(
                    gguf.unsupported(format!("`{name}` is in ggml format {other}, not Q4_1 (3) or Q8_0 (8)"))
                );
            }
        };
        Ok(Self { tiles, rows, columns })
    }

    /// Writes the weights of one row.
    pub(crate) fn row(&self, row: usize, weights: &mut [f32]) {
        let per_row = self.columns / BLOCK;
        let (first, lane) = (row / ROWS * per_row, row % ROWS);
        for (block, weights) in weights.chunks_exact_mut(BLOCK).enumerate() {
            match &self.tiles {
                Tiles::Four(tiles) => tiles[first + block].row(lane, weights),
                Tiles::Eight(tiles) => tiles[first + block].row(lane, weights),
            }
        }
    }
}

impl Tile4 {
    fn row(&self, lane: usize, weights: &mut [f32]) {
        let (scale, min) = (from_half(self.scales[lane]), from_half(self.mins[lane]));
        for column in 0..BLOCK / 2 {
            let byte = self.nibbles[column / 4][lane * 4 + column % 4];
            weights[column] = scale * f32::from(byte & 15) + min;
            weights[column + BLOCK / 2] = scale * f32::from(byte >> 4) + min;
        }
    }
}

impl Tile8 {
    fn row(&self, lane: usize, weights: &mut [f32]) {
        let scale = from_half(self.scales[lane]);
        for (column, weight) in weights.iter_mut().enumerate() {
            *weight = scale * f32::from(self.bytes[column / 4][lane * 4 + column % 4]);
        }
    }
}

/// Reads the vector of floats `name`.
pub(crate) fn read_floats(gguf: &mut Gguf, name: &str, length: usize) -> Result<Vec<f32>, ModelError> {
    let tensor = gguf.tensor(name)?;
    check_sizes(gguf, name, &tensor, &[length])?;
    if tensor.format != F32 {
        return Err(gguf.unsupported(format!("`{name}` is in ggml format {}, not F32 (0)", tensor.format)));
    }
    let bytes = gguf.bytes(&tensor, 4 * length as u64)?;
    let (floats, _) = bytes.as_chunks::<4>();
    Ok(floats.iter().map(|float| f32::from_le_bytes(*float)).collect())
}

fn check_sizes(gguf: &Gguf, name: &str, tensor: &Tensor, wanted: &[usize]) -> Result<(), ModelError> {
    if tensor.sizes.iter().eq(wanted.iter().map(|size| *size as u64).collect::<Vec<_>>().iter()) {
        return Ok(());
    }
    Err(gguf.malformed(format!("`{name}` has sizes {:?}, not {wanted:?}", tensor.sizes)))
}

/// Gathers the blocks of eight rows at a time into tiles.
fn tiles<T>(bytes: &[u8], block_bytes: usize, columns: usize, tile: impl Fn([&[u8]; ROWS]) -> T) -> Vec<T> {
    let per_row = columns / BLOCK;
    let block = |row: usize, at: usize| &bytes[(row * per_row + at) * block_bytes..][..block_bytes];
    let groups = bytes.len() / block_bytes / per_row / ROWS;
    let places = (0..groups).flat_map(|group| (0..per_row).map(move |at| (group * ROWS, at)));
    places.map(|(row, at)| tile(std::array::from_fn(|lane| block(row + lane, at)))).collect()
}

fn tile4(blocks: [&[u8]; ROWS]) -> Tile4 {
    let mut nibbles = [[0; BLOCK]; 4];
    for (lane, block) in blocks.iter().enumerate() {
        for (column, byte) in block[4..].iter().enumerate() {
            nibbles[column / 4][lane * 4 + column % 4] = *byte;
        }
    }
    Tile4 {
        scales: blocks.map(|block| half_at(block, 0)),
        mins: blocks.map(|block| half_at(block, 2)),
        nibbles,
    }
}

fn tile8(blocks: [&[u8]; ROWS]) -> Tile8 {
    let mut bytes = [[0; BLOCK]; 8];
    for (lane, block) in blocks.iter().enumerate() {
        for (column, byte) in block[2..].iter().enumerate() {
            bytes[column / 4][lane * 4 + column % 4] = i8::from_le_bytes([*byte]);
        }
    }
    Tile8 { scales: blocks.map(|block| half_at(block, 0)), bytes }
}

fn half_at(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

/// The value of an IEEE 754 half.
pub(crate) fn from_half(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let rest = u32::from(half & 0x7fff);
    let magnitude = match rest >> 10 {
        0 => rest as f32 * f32::from_bits(0x3380_0000), // 2^-24, the step of the subnormals
        31 => f32::from_bits(0x7f80_0000 | (rest & 0x3ff) << 13),
        _ => f32::from_bits((rest << 13) + (112 << 23)), // the biases differ by 127 - 15
    };
    f32::from_bits(sign | magnitude.to_bits())
}

/// The half nearest to `value`, ties to even; beyond the range an infinity.
pub(crate) fn to_half(value: f32) -> u16 {
    let sign = (value.to_bits() >> 16 & 0x8000) as u16;
    let magnitude = value.abs();
    if magnitude.is_nan() {
        return sign | 0x7e00;
    }
    let rest = if magnitude >= 65520. {
        0x7c00 // halfway beyond the greatest half
    } else if magnitude < f32::from_bits(0x3880_0000) {
        // Below 2^-14: adding 0.5 makes the float's own rounding stop at the subnormals' step.
        (magnitude + 0.5).to_bits() - 0x3f00_0000
    } else {
        let bits = magnitude.to_bits() - (112 << 23);
        (bits + 0xfff + (bits >> 13 & 1)) >> 13
    };
    sign | rest as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// ggml's own layout of a `Q4_1` block: scale, min, then column `i` and `i + 16` in byte `i`.
    fn block4(scale: f32, min: f32, nibbles: [u8; 32]) -> Vec<u8> {
        let mut bytes = [to_half(scale).to_le_bytes(), to_half(min).to_le_bytes()].concat();
        bytes.extend((0..16).map(|at| nibbles[at] | nibbles[at + 16] << 4));
        bytes
    }

    #[test]
    fn a_row_of_four_bits_comes_back_as_ggml_defines_it() {
        let nibbles = |row: usize| std::array::from_fn(|column| ((row * 7 + column * 3) % 16) as u8);
        let scale = |row: usize| 0.25 * (row + 1) as f32;
        let bytes: Vec<u8> = (0..16).flat_map(|row| block4(scale(row), -1.5, nibbles(row))).collect();
        let matrix = Matrix { tiles: Tiles::Four(tiles(&bytes, 20, 32, tile4)), rows: 16, columns: 32 };
        for row in 0..16 {
            let mut weights = [0.; 32];
            matrix.row(row, &mut weights);
            assert_eq!(weights, nibbles(row).map(|nibble| scale(row) * f32::from(nibble) - 1.5));
        }
    }

    #[test]
    fn a_row_of_eight_bits_comes_back_over_several_blocks() {
        let value = |row: usize, column: usize| (row * 31 + column * 5) as u8 as i8;
        let mut bytes = Vec::new();
        for row in 0..8 {
            for block in 0..3 {
                bytes.extend(to_half(0.5 + block as f32).to_le_bytes());
                bytes.extend((0..32).map(|column| value(row, block * 32 + column) as u8));
            }
        }
        let matrix = Matrix { tiles: Tiles::Eight(tiles(&bytes, 34, 96, tile8)), rows: 8, columns: 96 };
        let mut weights = [0.; 96];
        matrix.row(5, &mut weights);
        for (column, weight) in weights.iter().enumerate() {
            assert_eq!(*weight, (0.5 + (column / 32) as f32) * f32::from(value(5, column)));
        }
    }

    #[test]
    fn every_half_survives_the_way_to_a_float_and_back() {
        for half in 0..=u16::MAX {
            let float = from_half(half);
            if float.is_nan() {
                assert!(from_half(to_half(float)).is_nan());
            } else {
                assert_eq!(to_half(float), half, "{float}");
            }
        }
    }

    #[test]
    fn known_halves_have_their_known_values() {
        for (half, value) in
            [(0x3c00, 1.), (0xc000, -2.), (0x7bff, 65504.), (1, 5.960_464_5e-8), (0x0400, 6.103_515_6e-5)]
        {
            assert_eq!(from_half(half), value);
        }
        assert_eq!(to_half(1e9), 0x7c00);
    }

    proptest! {
        #[test]
        fn a_float_goes_to_the_nearest_half(value in -70000f32..70000.) {
            let distance = |half: u16| (f64::from(from_half(half)) - f64::from(value)).abs();
            let half = to_half(value);
            prop_assume!(half & 0x7c00 != 0x7c00);
            prop_assert!(distance(half) <= distance(half.wrapping_add(1)).min(distance(half.wrapping_sub(1))));
        }
    }
}
