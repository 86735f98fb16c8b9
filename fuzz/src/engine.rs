//! The search: kept files first, then their descendants for as long as it was asked for; what reaches something new is bred from.
//!
//! Not here: what is right. A target says that by not panicking, and by how much memory and how many steps it may take.

use crate::mutate::{BYTES_MAX, Dice, mutate};
use crate::reached::Reached;
use crate::targets::{Bound, Target};
use crate::{Asked, heap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// What a search saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    runs: u64,
    kept: usize,
    new: usize,
    places: usize,
    /// The most that any input took.
    heap: usize,
    steps: u64,
}

/// An input that a target does not hold for.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) input: Vec<u8>,
    pub(crate) fault: String,
}

/// Runs `target` on `kept`, then on descendants, until the time is up or one is found that it does not hold for.
///
/// Errors: the finding, made as small as that was easily done.
pub(crate) fn search(target: &Target, kept: Vec<Vec<u8>>, asked: &Asked) -> Result<Seen, Finding> {
    let mut search = Search { target, asked, reached: Reached::new(), seen: Seen::default() };
    // Once for nothing: what is made once and kept would be counted against the first input.
    for input in kept.iter().take(1) {
        let _ = search.run(input);
    }
    search.seen.kept = kept.len();
    for input in &kept {
        search.run(input).map_err(|fault| Finding { input: input.clone(), fault })?;
        search.reached.is_new();
    }
    let mut pool = kept;
    if pool.is_empty() {
        pool.push(Vec::new());
    }
    let mut dice = Dice::of(asked.seed);
    while asked.goes_on() {
        // What was found last is what least was tried with.
        let from = if dice.below(3) == 0 { pool.len() - pool.len() / 4 - 1 } else { 0 };
        let (parent, other) = (from + dice.below(pool.len() - from), dice.below(pool.len()));
        let input = mutate(&mut dice, &pool[parent], &pool[other], target.words);
        if let Err(fault) = search.run(&input) {
            return Err(search.smaller(Finding { input, fault }));
        }
        if search.reached.is_new() {
            search.seen.new += 1;
            pool.push(input);
        }
    }
    search.seen.places = search.reached.places();
    Ok(search.seen)
}

/// Runs `target` on one input, after once for what is made once and kept.
///
/// Errors: what does not hold.
#[cfg(test)]
pub(crate) fn once(target: &Target, asked: &Asked, input: &[u8]) -> Result<(), String> {
    let mut search = Search { target, asked, reached: Reached::new(), seen: Seen::default() };
    let _ = search.run(input);
    search.run(input)
}

struct Search<'a> {
    target: &'a Target,
    asked: &'a Asked,
    reached: Reached,
    seen: Seen,
}

impl Search<'_> {
    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        self.asked.note(input);
        self.seen.runs += 1;
        heap::begin();
        let before = heap::live();
        self.reached.begin();
        let held = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        let steps = self.reached.end();
        let most = heap::most().saturating_sub(before);
        if held.is_err() {
            return Err(SAID.lock().unwrap_or_else(PoisonError::into_inner).clone());
        }
        (self.seen.heap, self.seen.steps) = (self.seen.heap.max(most), self.seen.steps.max(steps));
        within("bytes of heap", most as u64, &self.target.heap, input)?;
        within("steps", steps, &self.target.steps, input)
    }

    /// Takes parts away for as long as the rest is still found.
    fn smaller(&mut self, mut finding: Finding) -> Finding {
        let mut part = finding.input.len() / 2;
        while part > 0 {
            let mut at = 0;
            while at < finding.input.len() {
                let mut less = finding.input.clone();
                less.drain(at..(at + part).min(less.len()));
                match self.run(&less) {
                    Err(fault) => finding = Finding { input: less, fault },
                    Ok(()) => at += part,
                }
            }
            part /= 2;
        }
        finding
    }
}

fn within(what: &str, took: u64, bound: &Bound, input: &[u8]) -> Result<(), String> {
    let most = bound.fixed + bound.for_each_byte * input.len().min(BYTES_MAX) as u64;
    if took <= most {
        Ok(())
    } else {
        Err(format!("{took} {what} for {} bytes, of {most} at most", input.len()))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, kept, new, places, heap, steps } = self;
        write!(f, "{runs} inputs from {kept} kept files, {new} of them new; {places} branches; ")?;
        write!(f, "at most {heap} bytes of heap and {steps} steps")
    }
}

/// Has a panic say nothing by itself; it is said with the input it came from.
pub(crate) fn hush() {
    std::panic::set_hook(Box::new(|panic| {
        *SAID.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
}

static SAID: Mutex<String> = Mutex::new(String::new());
