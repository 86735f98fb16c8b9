//! The times over which a meter was there to see.

use crate::meter::line::Line;
use partnership::ids::Timestamp;

/// Those of one journal.
#[derive(Debug, Default)]
pub(super) struct Spans(Vec<Span>);

#[derive(Debug)]
struct Span {
    from: Timestamp,
    to: Timestamp,
    /// Whether it ended as it was told, with no call under way.
    is_closed: bool,
}

impl Spans {
    /// Takes in the next line.
    pub(super) fn add(&mut self, line: &Line) {
        let at = line.at();
        match line {
            Line::Start { .. } => self.0.push(Span { from: at, to: at, is_closed: false }),
            _ => {
                if let Some(span) = self.0.last_mut() {
                    span.to = span.to.max(at);
                    span.is_closed = matches!(line, Line::Stop { .. });
                }
            }
        }
    }

    /// Whether the meter was there all the time from one moment to another. Where a span ends without a word, the meter was killed or goes
    /// on, and the line of a call that ended `slack_ms` before may be missing. Units of `slack_ms`: milliseconds.
    pub(super) fn hold(&self, from: Timestamp, to: Timestamp, slack_ms: i64) -> bool {
        self.0.iter().any(|span| {
            let end = if span.is_closed { to } else { to.plus_millis(slack_ms) };
            span.from <= from && end <= span.to
        })
    }
}
