//! A model read from its file: weights, vocabulary, and where a turn begins and ends.

use std::path::Path;

use crate::chat::{self, Message, Turns};
use crate::error::ModelError;
use crate::gguf::Gguf;
use crate::kernel::Kernel;
use crate::network::{Memory, Network};
use crate::tokenizer::Tokenizer;

/// The longest context served, whatever the file allows. A token's keys and values take 22.5 KiB in the built-in model
/// (30 layers × 2 × 192 halves), so two requests of this length and the weights (94 MiB) stay within 250 MiB.
const CONTEXT_TOKENS_MAX: usize = 3072;

/// A model in memory, ready to answer; shared by all threads.
///
/// The file is read once and not mapped: a mapped file that someone shortens would end the whole process.
#[derive(Debug)]
pub struct Model {
    network: Network,
    vocabulary: Vocabulary,
}

/// A model's tokens alone, to count with; its weights are not read.
#[derive(Debug)]
pub struct Vocabulary {
    tokenizer: Tokenizer,
    turns: Turns,
}

impl Vocabulary {
    /// Reads the vocabulary of the GGUF file at `path`.
    ///
    /// Errors: as [`Model::open`].
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Self::read(&Gguf::open(path)?)
    }

    fn read(gguf: &Gguf) -> Result<Self, ModelError> {
        let tokenizer = Tokenizer::read(gguf)?;
        let token = |name: &str| {
            tokenizer
                .control_token(name)
                .ok_or_else(|| gguf.unsupported(format!("it has no control token `{name}`")))
        };
        let turns = Turns { open: token("<|im_start|>")?, close: token("<|im_end|>")? };
        Ok(Self { tokenizer, turns })
    }

    /// The tokens of `messages`, template and default system message included, ending where the assistant is to speak.
    pub fn prompt(&self, messages: &[Message]) -> Vec<u32> {
        chat::prompt(&self.tokenizer, self.turns, messages)
    }

    /// The tokens of `text` as plain text; never a control token.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text)
    }
}

impl Model {
    /// Reads the GGUF file at `path`, all of it, and repacks its weights; takes some tenths of a second.
    ///
    /// Errors: [`ModelError::Read`], [`ModelError::Malformed`] or [`ModelError::Unsupported`]. Whether the file is the one you
    /// trust is for the caller to check by its SHA-256.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let mut gguf = Gguf::open(path)?;
        let vocabulary = Vocabulary::read(&gguf)?;
        Ok(Self { network: Network::read(&mut gguf, Kernel::detect())?, vocabulary })
    }

    /// The same model, computed without vector instructions: slower, and what a processor without AVX2 runs anyway.
    #[must_use]
    pub fn without_vectors(self) -> Self {
        Self { network: self.network.with_kernel(Kernel::Plain), ..self }
    }

    /// How many tokens a prompt and its answer may have together.
    pub fn context_tokens(&self) -> u32 {
        self.network.sizes.context.min(CONTEXT_TOKENS_MAX) as u32
    }

    /// How many tokens `messages` make, template and default system message included; exact.
    ///
    /// Errors: [`ModelError::ContextExceeded`] if they alone are more than [`Model::context_tokens`].
    pub fn prompt_tokens(&self, messages: &[Message]) -> Result<u32, ModelError> {
        self.prompt(messages).map(|tokens| tokens.len() as u32)
    }

    /// The logits of what follows `tokens`, one for each token of the vocabulary.
    ///
    /// Shape: `None` if there are no tokens, more than the context holds, or one that is not of the vocabulary.
    pub fn logits(&self, tokens: &[u32]) -> Option<Vec<f32>> {
        self.fits(tokens).then(|| self.take_in(&mut self.memory(tokens.len()), tokens))
    }

    /// As [`Model::logits`], but taking the tokens in one at a time, as an answer's own are.
    pub fn logits_stepwise(&self, tokens: &[u32]) -> Option<Vec<f32>> {
        let steps = self.fits(tokens).then(|| tokens.chunks(1))?;
        let mut memory = self.memory(tokens.len());
        steps.map(|token| self.take_in(&mut memory, token)).last()
    }

    /// The tokens of `text` as plain text; never a control token.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.vocabulary.tokenizer.encode(text)
    }

    /// The text of `tokens`; control tokens are nothing, and bytes that are no UTF-8 are U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| self.token_bytes(*token)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether `token` is a control token, such as the one that opens a turn.
    pub fn is_control(&self, token: u32) -> bool {
        self.vocabulary.tokenizer.is_control(token)
    }

    /// The tokens of `messages`, ending where the assistant is to speak.
    ///
    /// Errors: as [`Model::prompt_tokens`].
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>, ModelError> {
        let tokens = self.vocabulary.prompt(messages);
        let context_tokens = self.context_tokens();
        match u32::try_from(tokens.len()) {
            Ok(length) if length <= context_tokens => Ok(tokens),
            length => {
                Err(ModelError::ContextExceeded { prompt_tokens: length.unwrap_or(u32::MAX), context_tokens })
            }
        }
    }

    /// Whether there are tokens, all of the vocabulary, and no more than the context holds.
    fn fits(&self, tokens: &[u32]) -> bool {
        let known = |token: &u32| (*token as usize) < self.vocabulary.tokenizer.len();
        (1..=self.context_tokens() as usize).contains(&tokens.len()) && tokens.iter().all(known)
    }

    pub(crate) fn token_bytes(&self, token: u32) -> &[u8] {
        self.vocabulary.tokenizer.token_bytes(token)
    }

    pub(crate) fn memory(&self, tokens: usize) -> Memory {
        self.network.memory(tokens)
    }

    pub(crate) fn take_in(&self, memory: &mut Memory, tokens: &[u32]) -> Vec<f32> {
        self.network.take_in(memory, tokens)
    }
}
