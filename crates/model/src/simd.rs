//! The inner loops for processors with AVX2, FMA and F16C: the only unsafe code of the product.
//!
//! Not where results are defined: `kernel::plain` is, and tests compare the two. Unsafe are two things only: calling a
//! function compiled for these instructions, for which an [`Avx2`] is the proof that the processor has them; and loads and
//! stores of a register, each from or to an array of exactly its size.
#![expect(unsafe_code, reason = "vector loads, and calls of functions compiled for AVX2, have no safe form")]

use std::arch::x86_64::*;

use crate::kernel::plain;
use crate::quant::{Block, ROWS, Tile4, Tile8};

/// Proof that this processor has AVX2, FMA and F16C; made by [`Avx2::detect`] only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

/// How many inputs share one pass over a tile.
const SHARED: usize = 4;

/// A safe method that calls the function of the same name below.
macro_rules! proven {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        impl Avx2 {
            $(pub(crate) fn $name(self, $($argument: $kind),*) {
                // SAFETY: `self` exists, so the processor has the instructions the function is compiled for.
                unsafe { self::$name($($argument),*) }
            })*
        }
    };
}

proven! {
    quantise(inputs: &[f32], blocks: &mut [Block]);
    multiply4(tiles: &[Tile4], rows: usize, inputs: &[Block], outputs: &mut [f32]);
    multiply8(tiles: &[Tile8], rows: usize, inputs: &[Block], outputs: &mut [f32]);
    products(query: &[f32], keys: &[u16], products: &mut [f32]);
    mix(shares: &[f32], values: &[u16], mixed: &mut [f32]);
    softmax(products: &mut [f32], scale: f32);
    swish(gates: &mut [f32], ups: &[f32]);
    halve(floats: &[f32], halves: &mut [u16]);
}

impl Avx2 {
    /// The proof, where this processor gives it.
    pub(crate) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        found.then_some(Self(()))
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn quantise(inputs: &[f32], blocks: &mut [Block]) {
    plain::quantise(inputs, blocks);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn softmax(products: &mut [f32], scale: f32) {
    plain::softmax(products, scale);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn swish(gates: &mut [f32], ups: &[f32]) {
    plain::swish(gates, ups);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn multiply4(tiles: &[Tile4], rows: usize, inputs: &[Block], outputs: &mut [f32]) {
    let per_row = tiles.len() * ROWS / rows;
    let shared = outputs.len() / rows / SHARED * SHARED;
    let (inputs, inputs_left) = inputs.split_at(shared * per_row);
    let (outputs, outputs_left) = outputs.split_at_mut(shared * rows);
    for (group, tiles) in tiles.chunks_exact(per_row).enumerate() {
        for (inputs, outputs) in
            inputs.chunks_exact(SHARED * per_row).zip(outputs.chunks_exact_mut(SHARED * rows))
        {
            let inputs: [&[Block]; SHARED] = std::array::from_fn(|at| &inputs[at * per_row..][..per_row]);
            for (sum, outputs) in sums4(tiles, inputs).into_iter().zip(outputs.chunks_exact_mut(rows)) {
                store(&mut outputs.as_chunks_mut().0[group], sum);
            }
        }
        for (inputs, outputs) in inputs_left.chunks_exact(per_row).zip(outputs_left.chunks_exact_mut(rows)) {
            let [sum] = sums4(tiles, [inputs]);
            store(&mut outputs.as_chunks_mut().0[group], sum);
        }
    }
}

/// The products of eight rows with `N` inputs.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sums4<const N: usize>(tiles: &[Tile4], inputs: [&[Block]; N]) -> [__m256; N] {
    let (low, ones, high_value) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1), _mm256_set1_epi16(128));
    let mut sums = [_mm256_setzero_ps(); N];
    let mut from_mins = [_mm256_setzero_ps(); N];
    for (at, tile) in tiles.iter().enumerate() {
        let nibbles = [0, 1, 2, 3].map(|part| load_bytes(&tile.nibbles[part]));
        let lows = nibbles.map(|part| _mm256_and_si256(part, low));
        let highs = nibbles.map(|part| _mm256_and_si256(_mm256_srli_epi16::<4>(part), low));
        let (scales, mins) = (load_halves(&tile.scales), load_halves(&tile.mins));
        for token in 0..N {
            let block = &inputs[token][at];
            let high = _mm256_madd_epi16(dot4(lows, highs, &block.high), high_value);
            let low = _mm256_madd_epi16(dot4(lows, highs, &block.low), ones);
            let dot = _mm256_cvtepi32_ps(_mm256_add_epi32(high, low));
            let scale = _mm256_mul_ps(scales, _mm256_set1_ps(block.scale));
            sums[token] = _mm256_fmadd_ps(dot, scale, sums[token]);
            from_mins[token] = _mm256_fmadd_ps(mins, _mm256_set1_ps(block.sum), from_mins[token]);
        }
    }
    std::array::from_fn(|token| _mm256_add_ps(sums[token], from_mins[token]))
}

/// The products of eight rows with thirty-two bytes; pairs of columns are summed, in sixteen bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot4(lows: [__m256i; 4], highs: [__m256i; 4], values: &[i32; 8]) -> __m256i {
    // Eight sums of two products of at most 15 × 127: 30480, which sixteen bits hold.
    let mut dot = _mm256_maddubs_epi16(lows[0], _mm256_set1_epi32(values[0]));
    dot = _mm256_add_epi16(dot, _mm256_maddubs_epi16(lows[1], _mm256_set1_epi32(values[1])));
    dot = _mm256_add_epi16(dot, _mm256_maddubs_epi16(lows[2], _mm256_set1_epi32(values[2])));
    dot = _mm256_add_epi16(dot, _mm256_maddubs_epi16(lows[3], _mm256_set1_epi32(values[3])));
    dot = _mm256_add_epi16(dot, _mm256_maddubs_epi16(highs[0], _mm256_set1_epi32(values[4])));
    dot = _mm256_add_epi16(dot, _mm256_maddubs_epi16(highs[1], _mm256_set1_epi32(values[5])));
    dot = _mm256_add_epi16(dot, _mm256_maddubs_epi16(highs[2], _mm256_set1_epi32(values[6])));
    _mm256_add_epi16(dot, _mm256_maddubs_epi16(highs[3], _mm256_set1_epi32(values[7])))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn multiply8(tiles: &[Tile8], rows: usize, inputs: &[Block], outputs: &mut [f32]) {
    let per_row = tiles.len() * ROWS / rows;
    for (group, tiles) in tiles.chunks_exact(per_row).enumerate() {
        for (inputs, outputs) in inputs.chunks_exact(per_row).zip(outputs.chunks_exact_mut(rows)) {
            store(&mut outputs.as_chunks_mut().0[group], sum8(tiles, inputs));
        }
    }
}

/// The products of eight rows with one input.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sum8(tiles: &[Tile8], inputs: &[Block]) -> __m256 {
    let (ones, high_value) = (_mm256_set1_epi16(1), _mm256_set1_epi16(128));
    let mut sum = _mm256_setzero_ps();
    for (tile, block) in tiles.iter().zip(inputs) {
        let mut dot = _mm256_setzero_si256();
        for ((weights, high), low) in tile.bytes.iter().zip(block.high).zip(block.low) {
            let weights = load_signed(weights);
            let high = _mm256_madd_epi16(dot8(weights, high), high_value);
            let low = _mm256_madd_epi16(dot8(weights, low), ones);
            dot = _mm256_add_epi32(dot, _mm256_add_epi32(high, low));
        }
        let scale = _mm256_mul_ps(load_halves(&tile.scales), _mm256_set1_ps(block.scale));
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), scale, sum);
    }
    sum
}

/// The products of eight rows with four bytes; pairs of columns are summed, in sixteen bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot8(weights: __m256i, values: i32) -> __m256i {
    // |w| × (y with w's sign): two products of at most 128 × 127, 32512, which sixteen bits hold.
    let signed = _mm256_sign_epi8(_mm256_set1_epi32(values), weights);
    _mm256_maddubs_epi16(_mm256_abs_epi8(weights), signed)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn products(query: &[f32], keys: &[u16], products: &mut [f32]) {
    let query = query.as_chunks::<8>().0;
    for (key, product) in keys.as_chunks::<8>().0.chunks_exact(query.len()).zip(products) {
        let mut sums = [_mm256_setzero_ps(); 2];
        for (at, (query, key)) in query.iter().zip(key).enumerate() {
            sums[at & 1] = _mm256_fmadd_ps(load_floats(query), load_halves(key), sums[at & 1]);
        }
        let mut lanes = [0.; 8];
        store(&mut lanes, _mm256_add_ps(sums[0], sums[1]));
        let [a, b, c, d, e, f, g, h] = lanes;
        *product = ((a + e) + (c + g)) + ((b + f) + (d + h));
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn mix(shares: &[f32], values: &[u16], mixed: &mut [f32]) {
    let width = mixed.len();
    for (part, mixed) in mixed.as_chunks_mut::<BAND>().0.iter_mut().enumerate() {
        let mut sums = [_mm256_setzero_ps(); BAND / 8];
        for (share, value) in shares.iter().zip(values.chunks_exact(width)) {
            let share = _mm256_set1_ps(*share);
            for (sum, value) in sums.iter_mut().zip(value[part * BAND..].as_chunks::<8>().0) {
                *sum = _mm256_fmadd_ps(share, load_halves(value), *sum);
            }
        }
        for (sum, mixed) in sums.into_iter().zip(mixed.as_chunks_mut::<8>().0) {
            store(mixed, sum);
        }
    }
}

/// How many values of a head `mix` holds in registers at once; a head is a multiple of it (`network` checks).
pub(crate) const BAND: usize = 32;

#[target_feature(enable = "avx2,fma,f16c")]
fn halve(floats: &[f32], halves: &mut [u16]) {
    for (floats, halves) in floats.as_chunks::<8>().0.iter().zip(halves.as_chunks_mut::<8>().0) {
        let rounded = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(load_floats(floats));
        // SAFETY: the array has the sixteen bytes that are written; the store needs no alignment.
        unsafe { _mm_storeu_si128(halves.as_mut_ptr().cast(), rounded) }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_bytes(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the array has the thirty-two bytes that are read; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_signed(bytes: &[i8; 32]) -> __m256i {
    // SAFETY: the array has the thirty-two bytes that are read; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_halves(halves: &[u16; 8]) -> __m256 {
    // SAFETY: the array has the sixteen bytes that are read; the load needs no alignment.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(halves.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_floats(floats: &[f32; 8]) -> __m256 {
    // SAFETY: the array has the eight floats that are read; the load needs no alignment.
    unsafe { _mm256_loadu_ps(floats.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store(floats: &mut [f32; 8], register: __m256) {
    // SAFETY: the array has the eight floats that are written; the store needs no alignment.
    unsafe { _mm256_storeu_ps(floats.as_mut_ptr(), register) }
}
