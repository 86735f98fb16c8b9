//! From tokens' bytes to whole characters, up to the first stop string.
//!
//! Not aware of tokens: it takes bytes as they come. It holds back what may turn out to be part of a character or the
//! beginning of a stop string, and nothing else.

/// Text on its way out.
#[derive(Debug)]
pub(crate) struct Text {
    stops: Vec<String>,
    /// The beginning of a character whose end has not come yet.
    cut: Vec<u8>,
    /// Characters that may begin a stop string.
    held: String,
    stopped: bool,
}

impl Text {
    pub(crate) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self { stops, cut: Vec::new(), held: String::new(), stopped: false }
    }

    /// Whether a stop string has come; nothing follows then.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Takes bytes and returns the text that is now certain, perhaps none.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        if self.stopped {
            return String::new();
        }
        self.cut.extend_from_slice(bytes);
        self.take_characters();
        if let Some(at) = self.first_stop() {
            self.stopped = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let keep = self.held.len() - self.beginning_of_stop();
        let kept = self.held.split_off(keep);
        std::mem::replace(&mut self.held, kept)
    }

    /// The text held back in case a stop string came; a character still cut is dropped.
    pub(crate) fn finish(self) -> String {
        self.held
    }

    /// Moves whole characters from `cut` to `held`; bytes that can never become one are U+FFFD.
    fn take_characters(&mut self) {
        let mut rest = self.cut.as_slice();
        while let Some(chunk) = rest.utf8_chunks().next() {
            self.held.push_str(chunk.valid());
            rest = &rest[chunk.valid().len()..];
            let unfinished = std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none());
            if unfinished {
                break;
            }
            if !chunk.invalid().is_empty() {
                self.held.push(char::REPLACEMENT_CHARACTER);
                rest = &rest[chunk.invalid().len()..];
            }
        }
        self.cut = rest.to_vec();
    }

    fn first_stop(&self) -> Option<usize> {
        self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min()
    }

    /// Length of the longest end of `held` that begins a stop string.
    fn beginning_of_stop(&self) -> usize {
        let begins = |at: &usize| self.stops.iter().any(|stop| stop.starts_with(&self.held[*at..]));
        let first = self.held.char_indices().map(|(at, _)| at).find(begins);
        first.map_or(0, |at| self.held.len() - at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[&str], pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut text = Text::new(&stops);
        let mut out: Vec<String> = pieces.iter().map(|piece| text.push(piece)).collect();
        let stopped = text.stopped();
        out.push(if stopped { String::new() } else { text.finish() });
        (out, stopped)
    }

    #[test]
    fn a_character_split_over_pieces_comes_out_whole() {
        assert_eq!(run(&[], &[b"a\xf0\x9f", b"\x98", b"\x80b"]).0, ["a", "", "😀b", ""]);
    }

    #[test]
    fn bytes_that_are_no_character_are_replaced_and_what_follows_is_kept() {
        assert_eq!(run(&[], &[b"a\xff\xc3", b"(\xe2\x82", b"\xac"]).0, ["a\u{fffd}", "\u{fffd}(", "€", ""]);
    }

    #[test]
    fn a_character_cut_at_the_end_is_dropped() {
        assert_eq!(run(&[], &[b"a\xe2\x82"]).0, ["a", ""]);
    }

    #[test]
    fn a_stop_string_split_over_pieces_never_leaks() {
        assert_eq!(
            run(&["STOP"], &[b"go S", b"TO", b"P now", b"x"]),
            (["go ", "", "", "", ""].map(str::to_owned).to_vec(), true)
        );
    }

    #[test]
    fn a_false_beginning_is_let_go() {
        assert_eq!(run(&["STOP"], &[b"S", b"TOR", b"ST"]).0, ["", "STOR", "", "ST"]);
    }

    #[test]
    fn the_earliest_of_several_stop_strings_ends_the_text() {
        assert_eq!(run(&["\n\n", "b"], &[b"abc\n\n"]), (["a", ""].map(str::to_owned).to_vec(), true));
        assert_eq!(run(&["", "é"], &[b"caf\xc3", b"\xa9s"]).0, ["caf", "", ""]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_what_cutting_at_the_stop_gives(
            text in "[ab😀]{0,20}",
            stops in proptest::collection::vec("[ab😀]{1,4}", 0..3),
            cuts in proptest::collection::vec(1usize..5, 0..40),
        ) {
            let mut out = String::new();
            let mut state = Text::new(&stops);
            let mut rest = text.as_bytes();
            for cut in cuts.into_iter().chain(std::iter::repeat(3)) {
                if rest.is_empty() {
                    break;
                }
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                out.push_str(&state.push(piece));
                rest = tail;
            }
            let first = stops.iter().filter_map(|stop| text.find(stop.as_str())).min();
            prop_assert_eq!(state.stopped(), first.is_some());
            out.push_str(&state.finish());
            // A stop that ends earlier may come later in the text than a longer one: what counts is that no stop is inside.
            prop_assert!(text.starts_with(&out));
            match first {
                None => prop_assert_eq!(out, text),
                Some(_) => prop_assert!(stops.iter().all(|stop| !out.contains(stop.as_str()))),
            }
        }
    }
}
