//! Splitting text into the words that byte-pair merging never crosses.
//!
//! Not a regular expression engine: it is the one split of the `smollm` vocabulary, by hand. First every digit stands alone
//! (`\p{N}`); then, between digits, GPT-2's pattern
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, where the end of a stretch counts as the end of text.
//! The letters come from the Unicode tables of `regex-syntax`. Linear in the text.

use regex_syntax::hir::{Class, HirKind};

const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// The split, with its table of letters.
#[derive(Debug)]
pub(crate) struct Words {
    /// Inclusive ranges of `\p{L}`, ascending.
    letters: Vec<(char, char)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Space,
    Other,
}

impl Words {
    pub(crate) fn new() -> Self {
        Self { letters: letters() }
    }

    /// Calls `word` with each word of `text`, in order; together they are `text`.
    pub(crate) fn each<'t>(&self, text: &'t str, mut word: impl FnMut(&'t str)) {
        let mut rest = text;
        while let Some(digit) = rest.find(char::is_numeric) {
            let (stretch, tail) = rest.split_at(digit);
            self.stretch(stretch, &mut word);
            let (digit, tail) = tail.split_at(tail.chars().next().map_or(0, char::len_utf8));
            word(digit);
            rest = tail;
        }
        self.stretch(rest, &mut word);
    }

    /// Splits a stretch without digits.
    fn stretch<'t>(&self, text: &'t str, word: &mut impl FnMut(&'t str)) {
        let mut rest = text;
        while !rest.is_empty() {
            let (first, tail) = rest.split_at(self.first_bytes(rest));
            word(first);
            rest = tail;
        }
    }

    /// Length of the first word of `text`, in bytes; at least one character.
    fn first_bytes(&self, text: &str) -> usize {
        if let Some(contraction) = CONTRACTIONS.iter().find(|contraction| text.starts_with(**contraction)) {
            return contraction.len();
        }
        let lead = usize::from(text.starts_with(' '));
        match text[lead..].chars().next().map(|first| self.kind(first)) {
            Some(kind @ (Kind::Letter | Kind::Other)) => lead + self.run_bytes(&text[lead..], kind),
            _ => self.space_bytes(text),
        }
    }

    /// White space before a word keeps its last character for that word (`\s+(?!\S)`).
    fn space_bytes(&self, text: &str) -> usize {
        let run = self.run_bytes(text, Kind::Space);
        let last = text[..run].chars().next_back().map_or(0, char::len_utf8);
        if run < text.len() && run > last { run - last } else { run }
    }

    fn run_bytes(&self, text: &str, kind: Kind) -> usize {
        text.find(|next| self.kind(next) != kind).unwrap_or(text.len())
    }

    fn kind(&self, character: char) -> Kind {
        if character.is_whitespace() {
            Kind::Space
        } else if self.is_letter(character) {
            Kind::Letter
        } else {
            Kind::Other
        }
    }

    fn is_letter(&self, character: char) -> bool {
        if character.is_ascii() {
            return character.is_ascii_alphabetic();
        }
        let after = self.letters.partition_point(|&(first, _)| first <= character);
        after > 0 && character <= self.letters[after - 1].1
    }
}

fn letters() -> Vec<(char, char)> {
    let parsed = regex_syntax::parse(r"\p{L}").map(regex_syntax::hir::Hir::into_kind);
    let Ok(HirKind::Class(Class::Unicode(class))) = parsed else {
        unreachable!("the Unicode tables are compiled in by the feature `unicode-gencat`")
    };
    class.iter().map(|range| (range.start(), range.end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Vec<&str> {
        let mut words = Vec::new();
        Words::new().each(text, |word| words.push(word));
        words
    }

    #[test]
    fn words_are_split_as_gpt2_does_with_single_digits() {
        for (text, words) in [
            ("", vec![]),
            ("Hello world", vec!["Hello", " world"]),
            ("it's they'll 'Tis", vec!["it", "'s", " they", "'ll", " '", "Tis"]),
            ("a  b", vec!["a", " ", " b"]),
            ("a   ", vec!["a", "   "]),
            ("x = 10;\n\n  y", vec!["x", " =", " ", "1", "0", ";", "\n\n ", " y"]),
            ("\n\nz", vec!["\n", "\n", "z"]),
            ("1 2", vec!["1", " ", "2"]),
            ("½Ⅷ٣", vec!["½", "Ⅷ", "٣"]),
            ("été Straße 日本語!", vec!["été", " Straße", " 日本語", "!"]),
            ("नमस्ते", vec!["नमस", "\u{94d}", "त", "\u{947}"]),
            (" ...?! (x)", vec![" ...?!", " (", "x", ")"]),
            ("\u{a0}x", vec!["\u{a0}", "x"]),
        ] {
            assert_eq!(split(text), words, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn words_put_together_are_the_text(text in any::<String>()) {
            prop_assert_eq!(split(&text).concat(), text);
        }

        #[test]
        fn no_word_is_empty(text in "[ \\t\\n a-z0-9'.é]{0,40}") {
            prop_assert!(split(&text).iter().all(|word| !word.is_empty()));
        }
    }
}
