//! What an input reached: the counters that `-C instrument-coverage` puts into each branch of our crates.
//!
//! Not there in an ordinary build, which has no counters: then nothing is ever new, and only the kept files are run.

/// The counters of one run, and which of them were ever seen at which height.
#[derive(Debug)]
pub(crate) struct Reached {
    run: Vec<u64>,
    /// A bit for each height at which a counter was seen.
    seen: Vec<u8>,
}

impl Reached {
    pub(crate) fn new() -> Self {
        let count = counters::count();
        Self { run: vec![0; count], seen: vec![0; count] }
    }

    /// Begins to count from zero.
    #[expect(clippy::unused_self, reason = "the counters are the process's; whoever has this may reset them")]
    pub(crate) fn begin(&mut self) {
        counters::clear();
    }

    /// Takes the counts since [`Reached::begin`], and says how many steps they add up to.
    pub(crate) fn end(&mut self) -> u64 {
        counters::copy(&mut self.run);
        self.run.iter().sum()
    }

    /// Whether the last run reached a branch, or a branch so often, as none before; it is remembered.
    pub(crate) fn is_new(&mut self) -> bool {
        let mut new = false;
        for (counts, seen) in self.run.chunks(8).zip(self.seen.chunks_mut(8)) {
            if counts.iter().all(|count| *count == 0) {
                continue;
            }
            for (count, seen) in counts.iter().zip(seen) {
                let height = height(*count);
                new |= *seen | height != *seen;
                *seen |= height;
            }
        }
        new
    }

    /// How many branches were ever reached.
    pub(crate) fn places(&self) -> usize {
        self.seen.iter().filter(|seen| **seen != 0).count()
    }
}

/// The bit for a count: once, twice, three times, then by powers of two; none for zero.
fn height(count: u64) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..=7 => 8,
        8..=15 => 16,
        16..=31 => 32,
        32..=127 => 64,
        _ => 128,
    }
}

#[cfg(guided)]
mod counters {
    #![expect(
        unsafe_code,
        reason = "the counters are raw memory between two symbols of the compiler's runtime"
    )]

    // SAFETY: both are in the runtime that the compiler links to whatever it instruments (LLVM, `InstrProfiling.h`).
    unsafe extern "C" {
        safe fn __llvm_profile_begin_counters() -> *mut u64;
        safe fn __llvm_profile_end_counters() -> *mut u64;
    }

    pub(super) fn count() -> usize {
        let bytes = __llvm_profile_end_counters().addr() - __llvm_profile_begin_counters().addr();
        bytes / size_of::<u64>()
    }

    pub(super) fn clear() {
        // SAFETY: so many counters stand there; nothing else runs that is counted but the watch, whose counts nobody reads.
        unsafe { __llvm_profile_begin_counters().write_bytes(0, count()) }
    }

    pub(super) fn copy(to: &mut [u64]) {
        // SAFETY: so many counters stand there, which do not overlap with a vector of ours.
        unsafe {
            to.as_mut_ptr().copy_from_nonoverlapping(__llvm_profile_begin_counters(), count().min(to.len()))
        }
    }
}

#[cfg(not(guided))]
mod counters {
    pub(super) fn count() -> usize {
        0
    }

    pub(super) fn clear() {}

    pub(super) fn copy(_: &mut [u64]) {}
}
