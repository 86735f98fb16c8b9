//! The forward pass of a `llama` network, and the keys and values it remembers.
//!
//! Not a graph library: one architecture, written out. A prompt goes through in strides of [`STRIDE`] tokens, so that each
//! weight is read from memory once for all of them. Everything runs on the caller's thread: requests run side by side, and a
//! single request gains little from a second core. Source: Touvron et al. (2023); `RoPE` in ggml's order, which turns
//! neighbouring pairs.

use crate::ModelError;
use crate::gguf::Gguf;
use crate::kernel::Kernel;
use crate::quant::{BLOCK, Block, Matrix, read_floats};

/// Tokens that share one pass over the weights.
const STRIDE: usize = 32;
/// A head is a multiple of this (`simd` holds so many values of it in registers).
const HEAD_STEP: usize = 32;

/// Sizes and constants of a network.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    pub(crate) context: usize,
    vocabulary: usize,
    layers: usize,
    width: usize,
    hidden: usize,
    heads: usize,
    key_heads: usize,
    head: usize,
    epsilon: f32,
    rope_base: f32,
}

/// The weights.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) sizes: Sizes,
    kernel: Kernel,
    embedding: Matrix,
    layers: Vec<Layer>,
    output_norm: Vec<f32>,
}

#[derive(Debug)]
struct Layer {
    attention_norm: Vec<f32>,
    query: Matrix,
    key: Matrix,
    value: Matrix,
    attention_output: Matrix,
    hidden_norm: Vec<f32>,
    gate: Matrix,
    up: Matrix,
    down: Matrix,
}

/// What one request's tokens left behind: keys and values in halves, by layer, then key head, then position.
#[derive(Debug)]
pub(crate) struct Memory {
    keys: Vec<u16>,
    values: Vec<u16>,
    capacity: usize,
    filled: usize,
}

/// The buffers of one stride.
struct Bench {
    stream: Vec<f32>,
    normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    mixed: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    shares: Vec<f32>,
    blocks: Vec<Block>,
    turns: Vec<(f32, f32)>,
}

impl Sizes {
    fn read(gguf: &Gguf) -> Result<Self, ModelError> {
        let architecture = gguf.text("general.architecture")?;
        if architecture != "llama" {
            return Err(gguf.unsupported(format!("its architecture is `{architecture}`, not `llama`")));
        }
        let number = |key: &str| gguf.number(&format!("llama.{key}")).map(|number| number as usize);
        let (width, heads) = (number("embedding_length")?, number("attention.head_count")?);
        let sizes = Self {
            context: number("context_length")?,
            vocabulary: gguf.texts("tokenizer.ggml.tokens")?.len(),
            layers: number("block_count")?,
            width,
            hidden: number("feed_forward_length")?,
            heads,
            key_heads: number("attention.head_count_kv")?,
            head: width.checked_div(heads).unwrap_or(0),
            epsilon: gguf.float("llama.attention.layer_norm_rms_epsilon")?,
            rope_base: gguf.float("llama.rope.freq_base")?,
        };
        sizes.check().map_err(|detail| gguf.unsupported(detail))?;
        if number("rope.dimension_count")? != sizes.head {
            return Err(gguf.unsupported("it turns only part of each head"));
        }
        Ok(sizes)
    }

    fn check(&self) -> Result<(), &'static str> {
        let positive =
            [self.context, self.vocabulary, self.layers, self.width, self.hidden, self.heads, self.key_heads];
        if positive.iter().any(|size| !(1..=1 << 20).contains(size)) {
            return Err("one of its sizes is nothing, or more than a million");
        }
        if self.head * self.heads != self.width || !self.head.is_multiple_of(HEAD_STEP) {
            return Err("its heads are not a multiple of 32 wide");
        }
        if !self.heads.is_multiple_of(self.key_heads) {
            return Err("its query heads do not share key heads evenly");
        }
        Ok(())
    }

    fn key_width(&self) -> usize {
        self.key_heads * self.head
    }
}

impl Network {
    /// Reads all weights of `gguf` into memory.
    pub(crate) fn read(gguf: &mut Gguf, kernel: Kernel) -> Result<Self, ModelError> {
        let sizes = Sizes::read(gguf)?;
        if gguf.tensor("output.weight").is_ok() {
            return Err(gguf.unsupported("its output matrix is not its embedding"));
        }
        Ok(Self {
            embedding: Matrix::read(gguf, "token_embd.weight", sizes.vocabulary, sizes.width)?,
            layers: (0..sizes.layers)
                .map(|layer| Layer::read(gguf, &sizes, layer))
                .collect::<Result<_, _>>()?,
            output_norm: read_floats(gguf, "output_norm.weight", sizes.width)?,
            kernel,
            sizes,
        })
    }

    /// The same weights, computed with `kernel`.
    pub(crate) fn with_kernel(self, kernel: Kernel) -> Self {
        Self { kernel, ..self }
    }

    /// Memory for `capacity` tokens.
    pub(crate) fn memory(&self, capacity: usize) -> Memory {
        let length = self.sizes.layers * self.sizes.key_width() * capacity;
        Memory { keys: vec![0; length], values: vec![0; length], capacity, filled: 0 }
    }

    /// Takes in `tokens` after what `memory` holds and returns the logits of what follows the last.
    ///
    /// Shape: one logit per token of the vocabulary. Panics if there are no tokens, if one is not of the vocabulary, or if
    /// `memory` has no room: callers have checked.
    pub(crate) fn take_in(&self, memory: &mut Memory, tokens: &[u32]) -> Vec<f32> {
        assert!(
            !tokens.is_empty() && memory.filled + tokens.len() <= memory.capacity,
            "the tokens fit the memory"
        );
        let mut bench = Bench::new(&self.sizes, tokens.len().min(STRIDE), memory.filled + tokens.len());
        let mut last = Vec::new();
        for tokens in tokens.chunks(STRIDE) {
            self.stride(&mut bench, memory, tokens);
            last.clear();
            last.extend_from_slice(&bench.stream[(tokens.len() - 1) * self.sizes.width..]);
        }
        self.logits(&mut bench, &last)
    }

    /// Takes in at most [`STRIDE`] tokens; leaves their stream in `bench`.
    fn stride(&self, bench: &mut Bench, memory: &mut Memory, tokens: &[u32]) {
        bench.resize(&self.sizes, tokens.len());
        bench.turn_to(&self.sizes, memory.filled, tokens.len());
        for (token, stream) in tokens.iter().zip(bench.stream.chunks_exact_mut(self.sizes.width)) {
            self.embedding.row(*token as usize, stream);
        }
        for (at, layer) in self.layers.iter().enumerate() {
            self.attend(bench, memory, at, layer);
            self.transform(bench, layer);
        }
        memory.filled += tokens.len();
    }

    fn attend(&self, bench: &mut Bench, memory: &mut Memory, at: usize, layer: &Layer) {
        norm(&bench.stream, &layer.attention_norm, self.sizes.epsilon, &mut bench.normed);
        quantise(self.kernel, &bench.normed, &mut bench.blocks);
        self.kernel.multiply(&layer.query, &bench.blocks, &mut bench.query);
        self.kernel.multiply(&layer.key, &bench.blocks, &mut bench.key);
        self.kernel.multiply(&layer.value, &bench.blocks, &mut bench.value);
        rotate(&mut bench.query, &bench.turns, self.sizes.width, self.sizes.head);
        rotate(&mut bench.key, &bench.turns, self.sizes.key_width(), self.sizes.head);
        self.remember(bench, memory, at);
        self.look_back(bench, memory, at);
        quantise(self.kernel, &bench.mixed, &mut bench.blocks);
        self.kernel.multiply(&layer.attention_output, &bench.blocks, &mut bench.normed);
        add(&mut bench.stream, &bench.normed);
    }

    fn transform(&self, bench: &mut Bench, layer: &Layer) {
        norm(&bench.stream, &layer.hidden_norm, self.sizes.epsilon, &mut bench.normed);
        quantise(self.kernel, &bench.normed, &mut bench.blocks);
        self.kernel.multiply(&layer.gate, &bench.blocks, &mut bench.gate);
        self.kernel.multiply(&layer.up, &bench.blocks, &mut bench.up);
        self.kernel.swish(&mut bench.gate, &bench.up);
        quantise(self.kernel, &bench.gate, &mut bench.blocks);
        self.kernel.multiply(&layer.down, &bench.blocks, &mut bench.normed);
        add(&mut bench.stream, &bench.normed);
    }

    /// Puts the stride's keys and values of layer `at` into memory.
    fn remember(&self, bench: &Bench, memory: &mut Memory, at: usize) {
        let (head, key_width) = (self.sizes.head, self.sizes.key_width());
        let pairs = bench.key.chunks_exact(key_width).zip(bench.value.chunks_exact(key_width));
        for (token, (key, value)) in pairs.enumerate() {
            for key_head in 0..self.sizes.key_heads {
                let place = memory.place(&self.sizes, at, key_head, memory.filled + token);
                let part = key_head * head..(key_head + 1) * head;
                self.kernel.halve(&key[part.clone()], &mut memory.keys[place..place + head]);
                self.kernel.halve(&value[part], &mut memory.values[place..place + head]);
            }
        }
    }

    /// Mixes, for each token and head, the values of all positions up to its own.
    fn look_back(&self, bench: &mut Bench, memory: &Memory, at: usize) {
        let (head, sharing) = (self.sizes.head, self.sizes.heads / self.sizes.key_heads);
        let scale = 1. / (head as f32).sqrt();
        let heads = bench.query.chunks_exact(head).zip(bench.mixed.chunks_exact_mut(head));
        for (turn, (query, mixed)) in heads.enumerate() {
            let (token, query_head) = (turn / self.sizes.heads, turn % self.sizes.heads);
            let positions = memory.filled + token + 1;
            let start = memory.place(&self.sizes, at, query_head / sharing, 0);
            let past = start..start + positions * head;
            let shares = &mut bench.shares[..positions];
            self.kernel.products(query, &memory.keys[past.clone()], shares);
            self.kernel.softmax(shares, scale);
            self.kernel.mix(shares, &memory.values[past], mixed);
        }
    }

    fn logits(&self, bench: &mut Bench, last: &[f32]) -> Vec<f32> {
        bench.resize(&self.sizes, 1);
        norm(last, &self.output_norm, self.sizes.epsilon, &mut bench.normed);
        quantise(self.kernel, &bench.normed, &mut bench.blocks);
        let mut logits = vec![0.; self.sizes.vocabulary];
        self.kernel.multiply(&self.embedding, &bench.blocks, &mut logits);
        logits
    }
}

impl Layer {
    fn read(gguf: &mut Gguf, sizes: &Sizes, layer: usize) -> Result<Self, ModelError> {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let (width, hidden, key_width) = (sizes.width, sizes.hidden, sizes.key_width());
        Ok(Self {
            attention_norm: read_floats(gguf, &name("attn_norm"), width)?,
            query: Matrix::read(gguf, &name("attn_q"), width, width)?,
            key: Matrix::read(gguf, &name("attn_k"), key_width, width)?,
            value: Matrix::read(gguf, &name("attn_v"), key_width, width)?,
            attention_output: Matrix::read(gguf, &name("attn_output"), width, width)?,
            hidden_norm: read_floats(gguf, &name("ffn_norm"), width)?,
            gate: Matrix::read(gguf, &name("ffn_gate"), hidden, width)?,
            up: Matrix::read(gguf, &name("ffn_up"), hidden, width)?,
            down: Matrix::read(gguf, &name("ffn_down"), width, hidden)?,
        })
    }
}

impl Memory {
    fn place(&self, sizes: &Sizes, layer: usize, key_head: usize, position: usize) -> usize {
        ((layer * sizes.key_heads + key_head) * self.capacity + position) * sizes.head
    }
}

impl Bench {
    fn new(sizes: &Sizes, tokens: usize, positions: usize) -> Self {
        let mut bench = Self {
            stream: Vec::new(),
            normed: Vec::new(),
            query: Vec::new(),
            key: Vec::new(),
            value: Vec::new(),
            mixed: Vec::new(),
            gate: Vec::new(),
            up: Vec::new(),
            shares: vec![0.; positions],
            blocks: Vec::with_capacity(tokens * sizes.hidden.max(sizes.width) / BLOCK),
            turns: Vec::new(),
        };
        bench.resize(sizes, tokens);
        bench
    }

    fn resize(&mut self, sizes: &Sizes, tokens: usize) {
        for buffer in [&mut self.stream, &mut self.normed, &mut self.query, &mut self.mixed] {
            buffer.resize(tokens * sizes.width, 0.);
        }
        for buffer in [&mut self.key, &mut self.value] {
            buffer.resize(tokens * sizes.key_width(), 0.);
        }
        for buffer in [&mut self.gate, &mut self.up] {
            buffer.resize(tokens * sizes.hidden, 0.);
        }
    }

    /// Computes the turns of `RoPE` for `tokens` positions from `first` on.
    fn turn_to(&mut self, sizes: &Sizes, first: usize, tokens: usize) {
        self.turns.clear();
        for position in first..first + tokens {
            self.turns.extend(turns(sizes, position));
        }
    }
}

/// Cosine and sine for each pair of a head at `position`.
fn turns(sizes: &Sizes, position: usize) -> impl Iterator<Item = (f32, f32)> {
    let (head, base) = (sizes.head as f64, f64::from(sizes.rope_base));
    (0..sizes.head / 2).map(move |pair| {
        let angle = position as f64 * base.powf(-2. * pair as f64 / head);
        (angle.cos() as f32, angle.sin() as f32)
    })
}

/// Turns each neighbouring pair of each head by its token's turns.
fn rotate(vectors: &mut [f32], turns: &[(f32, f32)], width: usize, head: usize) {
    for (vector, turns) in vectors.chunks_exact_mut(width).zip(turns.chunks_exact(head / 2)) {
        for head in vector.chunks_exact_mut(head) {
            for (pair, (cosine, sine)) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
                let [x, y] = *pair;
                *pair = [x * cosine - y * sine, x * sine + y * cosine];
            }
        }
    }
}

/// Divides each token's vector by its root mean square and multiplies it with `weights`.
fn norm(vectors: &[f32], weights: &[f32], epsilon: f32, normed: &mut [f32]) {
    let width = weights.len();
    for (vector, normed) in vectors.chunks_exact(width).zip(normed.chunks_exact_mut(width)) {
        let mut squares = [0f32; 8];
        for chunk in vector.as_chunks::<8>().0 {
            for (square, value) in squares.iter_mut().zip(chunk) {
                *square += value * value;
            }
        }
        let factor = 1. / (squares.iter().sum::<f32>() / width as f32 + epsilon).sqrt();
        for ((normed, value), weight) in normed.iter_mut().zip(vector).zip(weights) {
            *normed = value * factor * weight;
        }
    }
}

fn quantise(kernel: Kernel, inputs: &[f32], blocks: &mut Vec<Block>) {
    blocks.resize(inputs.len() / BLOCK, Block::default());
    kernel.quantise(inputs, blocks);
}

fn add(left: &mut [f32], right: &[f32]) {
    for (left, right) in left.iter_mut().zip(right) {
        *left += right;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes() -> Sizes {
        Sizes {
            context: 16,
            vocabulary: 8,
            layers: 1,
            width: 64,
            hidden: 32,
            heads: 2,
            key_heads: 1,
            head: 32,
            epsilon: 1e-5,
            rope_base: 100.,
        }
    }

    #[test]
    fn the_first_position_is_not_turned() {
        assert!(turns(&sizes(), 0).all(|turn| turn == (1., 0.)));
    }

    #[test]
    fn turning_is_by_the_angle_of_position_and_pair() {
        let turns: Vec<_> = turns(&sizes(), 3).collect();
        let mut vector = [0.; 32];
        vector[0] = 1.;
        vector[17] = 2.;
        rotate(&mut vector, &turns, 32, 32);
        let angle = 3. * 100f32.powf(-16. / 32.);
        for (at, value) in [(0, 3f32.cos()), (1, 3f32.sin()), (16, -2. * angle.sin()), (17, 2. * angle.cos())]
        {
            assert!((vector[at] - value).abs() < 1e-6, "at {at}");
        }
    }

    #[test]
    fn the_product_of_two_turned_vectors_depends_on_their_distance_only() {
        let product = |left: usize, right: usize| {
            let turned = |position| {
                let mut vector: Vec<f32> = (0..32).map(|at| (at as f32 * 0.7).sin()).collect();
                rotate(&mut vector, &turns(&sizes(), position).collect::<Vec<_>>(), 32, 32);
                vector
            };
            turned(left).iter().zip(turned(right)).map(|(left, right)| left * right).sum::<f32>()
        };
        assert!((product(2, 5) - product(9, 12)).abs() < 1e-4);
        assert!((product(2, 5) - product(2, 9)).abs() > 1e-2);
    }

    #[test]
    fn a_normed_vector_has_the_mean_square_one() {
        let vector: Vec<f32> = (0..64).map(|at| at as f32 - 20.).collect();
        let mut normed = [0.; 64];
        norm(&vector, &[1.; 64], 0., &mut normed);
        assert!((normed.iter().map(|value| value * value).sum::<f32>() / 64. - 1.).abs() < 1e-5);
    }

    #[test]
    fn sizes_that_do_not_fit_each_other_are_refused() {
        assert!(sizes().check().is_ok());
        assert!(Sizes { heads: 3, ..sizes() }.check().is_err());
        assert!(Sizes { key_heads: 0, ..sizes() }.check().is_err());
        assert!(Sizes { head: 16, heads: 4, ..sizes() }.check().is_err());
        assert!(Sizes { layers: usize::MAX, ..sizes() }.check().is_err());
    }
}
