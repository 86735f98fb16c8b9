//! "Did you mean": the known word nearest to one that is not known.
//!
//! Not here: any judgement; a suggestion never changes what is read.

/// The nearest of `words` by edit distance; none if all are further than a third of the word's length (but two letters
/// that changed places are forgiven in any word of four or more).
pub(super) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let limit = length.checked_div(3).unwrap_or(0).clamp(if length < 4 { 1 } else { 2 }, 3);
    let ranked = words.map(|known| (distance(word, known), known)).filter(|(far, _)| *far <= limit);
    ranked.min_by_key(|(far, _)| *far).map(|(_, known)| known)
}

/// Levenshtein's distance, blind to case and to `_` for `-`.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = folded(right).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, from) in folded(left).enumerate() {
        let mut corner = at;
        let mut next = vec![at.saturating_add(1)];
        for (to, above) in right.iter().zip(row.iter().skip(1)) {
            let swapped = corner.saturating_add(usize::from(from != *to));
            let beside = next.last().copied().unwrap_or(0).saturating_add(1);
            next.push(swapped.min(beside).min(above.saturating_add(1)));
            corner = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn folded(word: &str) -> impl Iterator<Item = char> {
    word.chars().flat_map(char::to_lowercase).map(|c| if c == '_' { '-' } else { c })
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distance_counts_edits() {
        let table = [
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("abc", "", 3),
            ("burn-order", "burn_order", 0),
            ("USD", "usd", 0),
        ];
        for (left, right, edits) in table {
            assert_eq!(distance(left, right), edits, "{left} {right}");
        }
    }

    #[test]
    fn nearest_is_silent_when_all_are_far() {
        assert_eq!(nearest("ammount", ["amount", "asset"].into_iter()), Some("amount"));
        assert_eq!(nearest("brich", ["alder", "birch"].into_iter()), Some("birch"));
        assert_eq!(nearest("colour", ["amount", "asset"].into_iter()), None);
    }
}
