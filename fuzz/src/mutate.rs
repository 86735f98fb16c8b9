//! Changes to an input: to its bytes, lines, numbers, base64 and JSON, since that is what our formats are made of.
//!
//! Not random bytes: each input descends from a kept file, so that much of it is still what a parser wants.

use record::hash::{base64, from_base64};
use std::ops::Range;

/// The longest input. Units: bytes.
pub(crate) const BYTES_MAX: usize = 4096;

/// Numbers that look random and follow from a seed. Source: `SplitMix64` (Steele, Lea and Flood 2014).
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; zero if that is zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.number() % (bound.max(1) as u64)) as usize
    }

    pub(crate) fn one_of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// A range within `length`, most often a short one.
    fn range(&mut self, length: usize) -> Range<usize> {
        let start = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 16 };
        start..start + self.below(most.min(length - start) + 1)
    }
}

/// Makes a descendant of `input` by one to five changes, which may take parts of `other` or of `words`.
pub(crate) fn mutate(dice: &mut Dice, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=dice.below(5) {
        change(dice, &mut bytes, other, words);
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

fn change(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    match dice.below(14) {
        0 => flip(dice, bytes),
        1 => {
            let byte = SIGNS[dice.below(SIGNS.len())];
            put(dice, bytes, &[byte]);
        }
        2 => {
            let range = dice.range(bytes.len());
            bytes.drain(range);
        }
        3 => repeat(dice, bytes),
        4 | 5 => lines(dice, bytes, other),
        6 | 7 => {
            let part = other[dice.range(other.len())].to_vec();
            put(dice, bytes, &part);
        }
        8 | 9 => decimal(dice, bytes),
        10 => binary(dice, bytes),
        11 => encoded(dice, bytes),
        12 => quoted(dice, bytes, other),
        _ => {
            let word = if words.is_empty() { "\n" } else { dice.one_of(words) };
            put(dice, bytes, word.as_bytes());
        }
    }
}

fn flip(dice: &mut Dice, bytes: &mut [u8]) {
    let (at, bit) = (dice.below(bytes.len()), dice.below(8));
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

/// Puts `part` somewhere, between what is there or over it.
fn put(dice: &mut Dice, bytes: &mut Vec<u8>, part: &[u8]) {
    let at = dice.below(bytes.len() + 1);
    let end = if dice.below(2) == 0 { at } else { bytes.len().min(at + part.len()) };
    bytes.splice(at..end, part.iter().copied());
}

/// Puts a part down again, twice or very often: what nests deeply, and what is there too often.
fn repeat(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let range = dice.range(bytes.len());
    let times = if dice.below(4) == 0 { 1 + dice.below(BYTES_MAX / range.len().max(1)) } else { 1 };
    let part = bytes[range.clone()].repeat(times);
    bytes.splice(range.end..range.end, part);
}

/// Removes, repeats or moves a line, or takes one of `other`.
fn lines(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.is_empty() {
        return;
    }
    let (from, to) = (dice.below(lines.len()), dice.below(lines.len()));
    match dice.below(4) {
        0 => {
            lines.remove(from);
        }
        1 => lines.insert(to, lines[from]),
        2 => lines.swap(from, to),
        _ => {
            let others: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
            lines[to] = others.get(dice.below(others.len())).copied().unwrap_or_default();
        }
    }
    *bytes = lines.concat();
}

/// Writes another number in place of one in decimal.
fn decimal(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let Some(place) = run(dice, bytes, u8::is_ascii_digit) else { return };
    let old: u64 = str::from_utf8(&bytes[place.clone()]).unwrap_or_default().parse().unwrap_or_default();
    let new = match dice.below(4) {
        0 => old.wrapping_add(1).to_string(),
        1 => old.wrapping_sub(1).to_string(),
        _ => dice.one_of(DECIMALS).to_owned(),
    };
    bytes.splice(place, new.into_bytes());
}

/// Writes an integer that is a limit of something, in two, four or eight bytes and either order.
fn binary(dice: &mut Dice, bytes: &mut [u8]) {
    let width = [2, 4, 8][dice.below(3)];
    let limit = (1_u64 << dice.below(64)).wrapping_sub(dice.below(3) as u64);
    let at = dice.below(bytes.len());
    let Some(place) = bytes.get_mut(at..at + width) else { return };
    if dice.below(2) == 0 {
        place.copy_from_slice(&limit.to_le_bytes()[..width]);
    } else {
        place.copy_from_slice(&limit.to_be_bytes()[8 - width..]);
    }
}

/// Changes what stands in base64, or how it is spelled.
fn encoded(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let Some(place) = run(dice, bytes, is_base64) else { return };
    let text = str::from_utf8(&bytes[place.clone()]).unwrap_or_default().to_owned();
    let new = match (dice.below(3), from_base64(&text)) {
        (0, Some(mut value)) => {
            flip(dice, &mut value);
            base64(&value)
        }
        (1, Some(mut value)) => {
            let range = dice.range(value.len());
            value.drain(range);
            base64(&value)
        }
        // The last sign before the padding has bits that stand for nothing.
        _ => match dice.below(4) {
            0 => text.trim_end_matches('=').to_owned(),
            1 => text + "=",
            2 => text.replace('+', "-").replace('/', "_"),
            _ => {
                let kept = text.trim_end_matches('=');
                let (head, last) = kept.split_at(kept.len().saturating_sub(1));
                let next = last.bytes().next().map_or('A', |byte| char::from(byte.wrapping_add(1)));
                format!("{head}{next}{}", &text[kept.len()..])
            }
        },
    };
    bytes.splice(place, new.into_bytes());
}

/// Changes a quoted text: by another one, by an escape within it, or by brackets about it.
fn quoted(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    let Some(place) = between_quotes(dice, bytes) else { return };
    let new = match dice.below(4) {
        0 => between_quotes(dice, other).map(|text| other[text].to_vec()).unwrap_or_default(),
        1 => dice.one_of(ESCAPES).as_bytes().to_vec(),
        2 => {
            let depth = 1 + dice.below(80);
            [&b"[".repeat(depth), &bytes[place.clone()], &b"]".repeat(depth)].concat()
        }
        _ => dice.one_of(VALUES).as_bytes().to_vec(),
    };
    bytes.splice(place, new);
}

/// A text with its quotes.
fn between_quotes(dice: &mut Dice, bytes: &[u8]) -> Option<Range<usize>> {
    let start = dice.below(bytes.len());
    let quote = |from: usize| Some(from + bytes.get(from..)?.iter().position(|byte| *byte == b'"')?);
    let open = quote(start)?;
    Some(open..quote(open + 1)? + 1)
}

/// A row of bytes of one sort, which begins at some place or after it.
fn run(dice: &mut Dice, bytes: &[u8], is: impl Fn(&u8) -> bool) -> Option<Range<usize>> {
    let start = dice.below(bytes.len());
    let first = start + bytes.get(start..)?.iter().position(&is)?;
    let before = bytes[..first].iter().rev().take_while(|byte| is(byte)).count();
    let after = bytes[first..].iter().take_while(|byte| is(byte)).count();
    Some(first - before..first + after)
}

/// What parsers split at, and what is not UTF-8.
const SIGNS: &[u8] = b"\n\r\t \"\\{}[],:+-/=.#`'0\x00\x7f\x80\xc3\xff";

const DECIMALS: &[&str] = &[
    "0",
    "00",
    "01",
    "-1",
    "-0",
    "+1",
    "1e9",
    "0.5",
    "",
    "1",
    "63",
    "64",
    "255",
    "256",
    "257",
    "999",
    "1000",
    "65535",
    "65536",
    "61440",
    "61441",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "170141183460469231731687303715884105727",
];

const ESCAPES: &[&str] = &[
    r#""\u0000""#,
    r#""\u0041""#,
    r#""\/""#,
    r#""\ud800""#,
    r#""\ud83d\ude00""#,
    r#""\u001F""#,
    r#""\n""#,
    "\"\u{202e}\"",
];

const VALUES: &[&str] = &["null", "true", "{}", "[]", "\"\"", "0", " \"a\" ", "\"a\":\"b\",\"a\"", "[[", "}"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_row_of_descendants_and_none_is_too_long() {
        let _turn = crate::heap::turn();
        let input = b"{\"size\":\"12\",\"root\":\"CQkJCQkJCQkJCQkJCQkJCQ==\"}\nline\n".repeat(60);
        let row = |seed| {
            let mut dice = Dice::of(seed);
            (0..2_000).map(|_| mutate(&mut dice, &input, &input, &["word"])).collect::<Vec<_>>()
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
        assert!(row(7).iter().all(|bytes| bytes.len() <= BYTES_MAX));
    }

    #[test]
    fn even_nothing_has_descendants() {
        let _turn = crate::heap::turn();
        let mut dice = Dice::of(1);
        assert!((0..200).any(|_| !mutate(&mut dice, b"", b"", &[]).is_empty()));
    }
}
