//! Byte-level byte-pair encoding with the vocabulary of a GGUF file.
//!
//! Not a general tokenizer: the `gpt2` vocabulary with the `smollm` split only. It never yields a control token, whatever the
//! text says; those enter by id (`chat`). Bytes that the vocabulary lacks (21 in SmolLM2, all of them control characters or
//! parts of rare or invalid UTF-8) are left out, as llama.cpp leaves them out: the usual stand-in would be the unknown token,
//! which in this vocabulary is the control token that ends a text.
//! Source: Sennrich, Haddow and Birch (2016) for the merges; GPT-2 for the printable stand-ins of bytes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::ModelError;
use crate::gguf::Gguf;
use crate::words::Words;

/// ggml's number for an ordinary token.
const NORMAL: i64 = 1;

/// A vocabulary with its merges.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    words: Words,
    /// The bytes of each token; control tokens have their name here.
    texts: Vec<Box<[u8]>>,
    control: Vec<bool>,
    /// The token of each single byte.
    bytes: Vec<Option<u32>>,
    /// Merges by their pair, ascending.
    merges: Vec<Merge>,
}

#[derive(Debug, Clone, Copy)]
struct Merge {
    pair: (u32, u32),
    rank: u32,
    into: u32,
}

impl Tokenizer {
    /// Reads the vocabulary of `gguf`.
    pub(crate) fn read(gguf: &Gguf) -> Result<Self, ModelError> {
        for (key, wanted) in [("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "smollm")] {
            let found = gguf.text(key)?;
            if found != wanted {
                return Err(gguf.unsupported(format!("its `{key}` is `{found}`, not `{wanted}`")));
            }
        }
        let names = gguf.texts("tokenizer.ggml.tokens")?;
        let kinds = gguf.numbers("tokenizer.ggml.token_type")?;
        let merges = gguf.texts("tokenizer.ggml.merges")?;
        if names.len() != kinds.len() || u32::try_from(names.len()).is_err() {
            return Err(gguf.malformed("its tokens and their types differ in number"));
        }
        let control: Vec<bool> = kinds.iter().map(|kind| *kind != NORMAL).collect();
        Self::new(&names, control, &merges)
            .ok_or_else(|| gguf.malformed("a merge or token that is not in its vocabulary"))
    }

    fn new(names: &[&[u8]], control: Vec<bool>, merges: &[&[u8]]) -> Option<Self> {
        let plain = names.iter().zip(0u32..).filter(|(_, id)| !control[*id as usize]);
        let ids: BTreeMap<&[u8], u32> = plain.map(|(name, id)| (*name, id)).collect();
        let bytes_of: BTreeMap<char, u8> = (0..=255).map(|byte| (printable(byte), byte)).collect();
        let texts = names.iter().zip(&control).map(|(name, control)| {
            if *control { Some(Box::from(*name)) } else { unprintable(&bytes_of, name) }
        });
        let byte = |byte: u8| ids.get(printable(byte).encode_utf8(&mut [0; 4]).as_bytes()).copied();
        let mut merges: Vec<Merge> =
            merges.iter().zip(0u32..).map(|(text, rank)| merge(&ids, text, rank)).collect::<Option<_>>()?;
        merges.sort_unstable_by_key(|merge| (merge.pair, merge.rank));
        merges.dedup_by_key(|merge| merge.pair);
        Some(Self {
            words: Words::new(),
            texts: texts.collect::<Option<_>>()?,
            bytes: (0..=255).map(byte).collect(),
            control,
            merges,
        })
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The id of the control token named `name`.
    pub(crate) fn control_token(&self, name: &str) -> Option<u32> {
        let found = (0..self.len()).find(|id| self.control[*id] && *self.texts[*id] == *name.as_bytes());
        found.map(|id| id as u32)
    }

    /// Whether `token` is a control token, or none of this vocabulary.
    pub(crate) fn is_control(&self, token: u32) -> bool {
        self.control.get(token as usize).is_none_or(|control| *control)
    }

    /// The tokens of `text`; never a control token.
    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::with_capacity(text.len() / 3);
        self.words.each(text, |word| self.encode_word(word, &mut tokens));
        tokens
    }

    /// The bytes of `token`: part of a character, or several characters; nothing for a control token.
    pub(crate) fn token_bytes(&self, token: u32) -> &[u8] {
        if self.is_control(token) { &[] } else { &self.texts[token as usize] }
    }

    /// Merges the bytes of one word, lowest rank first, leftmost first among equals.
    fn encode_word(&self, word: &str, tokens: &mut Vec<u32>) {
        let mut chain = Chain::new(word.bytes().filter_map(|byte| self.bytes[usize::from(byte)]));
        let mut queue = BinaryHeap::new();
        for left in 0..chain.len() {
            self.offer(&chain, left, &mut queue);
        }
        while let Some(Reverse((_, left, pair, into))) = queue.pop() {
            if chain.pair(left) != Some(pair) {
                continue; // one of the two has been merged meanwhile
            }
            chain.merge(left, into);
            self.offer(&chain, left, &mut queue);
            if let Some(before) = chain.before(left) {
                self.offer(&chain, before, &mut queue);
            }
        }
        tokens.extend(chain.tokens());
    }

    fn offer(&self, chain: &Chain, left: usize, queue: &mut BinaryHeap<Reverse<Candidate>>) {
        let Some(pair) = chain.pair(left) else { return };
        if let Ok(at) = self.merges.binary_search_by_key(&pair, |merge| merge.pair) {
            queue.push(Reverse((self.merges[at].rank, left, pair, self.merges[at].into)));
        }
    }
}

/// A possible merge: rank, left place, the pair seen there, what it becomes.
type Candidate = (u32, usize, (u32, u32), u32);

/// The tokens of a word, linked, so that a merge costs the same wherever it is.
struct Chain {
    links: Vec<Link>,
}

struct Link {
    /// `None` once merged into its left neighbour.
    token: Option<u32>,
    before: usize,
    after: usize,
}

impl Chain {
    fn new(tokens: impl Iterator<Item = u32>) -> Self {
        let link = |(at, token): (usize, u32)| Link {
            token: Some(token),
            before: at.wrapping_sub(1),
            after: at + 1,
        };
        Self { links: tokens.enumerate().map(link).collect() }
    }

    fn len(&self) -> usize {
        self.links.len()
    }

    fn pair(&self, left: usize) -> Option<(u32, u32)> {
        let link = self.links.get(left)?;
        Some((link.token?, self.links.get(link.after)?.token?))
    }

    fn before(&self, at: usize) -> Option<usize> {
        self.links.get(self.links.get(at)?.before).map(|_| self.links[at].before)
    }

    /// Makes `left` and its right neighbour one.
    fn merge(&mut self, left: usize, into: u32) {
        let right = self.links[left].after;
        let after = self.links[right].after;
        self.links[right].token = None;
        self.links[left].token = Some(into);
        self.links[left].after = after;
        if let Some(next) = self.links.get_mut(after) {
            next.before = left;
        }
    }

    fn tokens(&self) -> impl Iterator<Item = u32> {
        self.links.iter().filter_map(|link| link.token)
    }
}

fn merge(ids: &BTreeMap<&[u8], u32>, text: &[u8], rank: u32) -> Option<Merge> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let (left, right) = (&text[..space], &text[space + 1..]);
    let into = ids.get([left, right].concat().as_slice())?;
    Some(Merge { pair: (*ids.get(left)?, *ids.get(right)?), rank, into: *into })
}

/// The character that stands for `byte` in the vocabulary: itself where it prints, else one from U+0100 on.
fn printable(byte: u8) -> char {
    let gap = match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => return char::from(byte),
        0x00..=0x20 => u32::from(byte),
        0x7f..=0xa0 => u32::from(byte) - 0x7f + 0x21,
        0xad => 0x43,
    };
    char::from_u32(0x100 + gap).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The bytes that the characters of a token's name stand for.
fn unprintable(bytes: &BTreeMap<char, u8>, name: &[u8]) -> Option<Box<[u8]>> {
    std::str::from_utf8(name).ok()?.chars().map(|character| bytes.get(&character).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every byte but 0xff, then `merges` in order; the first token is a control token with a name that merging can spell.
    fn tokenizer(merges: &[&str]) -> Tokenizer {
        let mut names: Vec<String> = vec!["<s>".to_owned()];
        names.extend((0..255).map(|byte| printable(byte).to_string()));
        names.extend(merges.iter().map(|merge| merge.replace(' ', "")));
        let mut control = vec![false; names.len()];
        control[0] = true;
        let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        let merges: Vec<&[u8]> = merges.iter().map(|merge| merge.as_bytes()).collect();
        Tokenizer::new(&names, control, &merges).unwrap()
    }

    fn pieces(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
        let piece = |token| String::from_utf8_lossy(tokenizer.token_bytes(token)).into_owned();
        tokenizer.encode(text).into_iter().map(piece).collect()
    }

    #[test]
    fn merges_go_by_rank_and_then_from_the_left() {
        let tokenizer = tokenizer(&["b c", "a b", "a bc", "x x"]);
        assert_eq!(pieces(&tokenizer, "abc"), ["abc"]);
        assert_eq!(pieces(&tokenizer, "ab"), ["ab"]);
        assert_eq!(pieces(&tokenizer, "xxxxx"), ["xx", "xx", "x"]);
    }

    #[test]
    fn a_control_tokens_name_in_text_is_only_text() {
        let tokenizer = tokenizer(&["< s", "s >"]);
        let tokens = tokenizer.encode("<s>");
        assert_eq!(pieces(&tokenizer, "<s>"), ["<", "s", ">"], "the split parts signs from letters");
        assert!(tokens.iter().all(|token| !tokenizer.is_control(*token)));
        assert!(tokenizer.token_bytes(0).is_empty());
        assert_eq!(tokenizer.control_token("<s>"), Some(0));
    }

    #[test]
    fn a_merge_into_a_control_token_is_refused() {
        let names: [&[u8]; 3] = [b"a", b"b", b"ab"];
        assert!(Tokenizer::new(&names, vec![false, false, true], &[b"a b"]).is_none());
    }

    #[test]
    fn each_byte_has_its_own_stand_in() {
        let stand_ins: std::collections::BTreeSet<char> = (0..=255).map(printable).collect();
        assert_eq!(stand_ins.len(), 256);
        assert_eq!((printable(b' '), printable(b'\n'), printable(0xad)), ('Ġ', 'Ċ', 'Ń'));
    }

    #[test]
    fn a_byte_the_vocabulary_lacks_is_left_out() {
        let tokenizer = tokenizer(&[]);
        assert!(tokenizer.bytes[255].is_none() && tokenizer.bytes[254].is_some());
        let mut chain = Vec::new();
        tokenizer.encode_word("ÿ", &mut chain); // 0xc3 0xbf
        assert_eq!(chain.len(), 2);
    }

    #[test]
    fn a_long_word_is_encoded_in_reasonable_time() {
        let tokenizer = tokenizer(&["a a", "aa aa", "aaaa aaaa"]);
        assert_eq!(tokenizer.encode(&"a".repeat(1 << 20)).len(), 1 << 17);
    }

    /// The textbook form: find the best pair, merge it, begin again.
    fn naive(tokenizer: &Tokenizer, word: &str) -> Vec<u32> {
        let mut tokens: Vec<u32> =
            word.bytes().filter_map(|byte| tokenizer.bytes[usize::from(byte)]).collect();
        loop {
            let merge = |at: usize| {
                let pair = (tokens[at], tokens[at + 1]);
                tokenizer
                    .merges
                    .iter()
                    .find(|merge| merge.pair == pair)
                    .map(|merge| (merge.rank, at, merge.into))
            };
            let Some((_, at, into)) = (0..tokens.len().saturating_sub(1)).filter_map(merge).min() else {
                return tokens;
            };
            tokens.splice(at..at + 2, [into]);
        }
    }

    proptest! {
        #[test]
        fn merging_agrees_with_the_textbook_form(word in "[abc]{0,24}") {
            let tokenizer = tokenizer(&["a b", "b a", "ab a", "c c", "b b", "ba ba", "aba b", "cc cc", "a a"]);
            let mut tokens = Vec::new();
            tokenizer.encode_word(&word, &mut tokens);
            prop_assert_eq!(tokens, naive(&tokenizer, &word));
        }

        #[test]
        fn decoding_gives_the_text_back(text in any::<String>()) {
            let tokenizer = tokenizer(&["a b", "Ġ t", "Ġt h"]);
            let bytes: Vec<u8> =
                tokenizer.encode(&text).into_iter().flat_map(|token| tokenizer.token_bytes(token).to_vec()).collect();
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), text);
        }
    }
}
