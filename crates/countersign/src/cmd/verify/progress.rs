//! How far a verification has come, for whoever waits for it: a bar on stderr, and nothing where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};
use record::{Checkpoint, Store, note};

/// How many entries pass between two looks at the bar.
const EVERY: u64 = 1 << 12;

/// A bar as long as the record's checkpoint says, which is not believed here.
pub(super) fn bar(store: &impl Store) -> ProgressBar {
    let signed = store.read("checkpoint").ok().flatten().unwrap_or_default();
    let head = note::split(&signed).ok().and_then(|(text, _)| Checkpoint::parse(text).ok());
    let size = head.map_or(0, |head| head.size);
    let style = ProgressStyle::with_template("verifying {wide_bar} {human_pos}/{human_len} entries {eta}");
    let style = style.unwrap_or_else(|error| unreachable!("the template is sound: {error}"));
    ProgressBar::new(size).with_style(style)
}

/// `each`, with the bar moved on as entries pass.
pub(super) fn of(
    bar: &ProgressBar,
    mut each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
) -> impl FnMut(u64, &[u8], &[u8]) -> Result<(), String> {
    move |index, envelope, parties| {
        if index.is_multiple_of(EVERY) {
            bar.set_position(index);
        }
        each(index, envelope, parties)
    }
}
