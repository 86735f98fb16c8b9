//! Terms as they would be, had they been effective since a record began.
//!
//! Not here: what they say otherwise; not a word of that is changed.

use jiff::civil::Date;

use crate::memorandum::diff::effective;
use crate::memorandum::{Diagnostic, Memorandum};
use crate::terms::Terms;

/// The same terms, effective on `first` where they would be later, without keys that the header fixes: the rehearsal signs with keys of
/// its own. What a clause leaves to the header begins on that day too.
pub(super) fn since(terms: &Terms, first: Date) -> Result<Terms, String> {
    let memorandum = terms.memorandum();
    let told = |faults: Vec<Diagnostic>| {
        faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")
    };
    let mut read = if memorandum.header.effective > first {
        let at = effective(&memorandum.text).ok_or("the header has no `effective`")?;
        let (before, after) = (memorandum.text.get(..at.start), memorandum.text.get(at.end..));
        let (before, after) = before.zip(after).ok_or("the header has no `effective`")?;
        Memorandum::parse(&format!("{before}{first}{after}")).map_err(told)?
    } else {
        memorandum.clone()
    };
    read.header.vkeys.clear();
    read.header.recovery.clear();
    Terms::of(read).map_err(told)
}
