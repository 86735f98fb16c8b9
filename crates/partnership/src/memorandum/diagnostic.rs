//! What is wrong with a memorandum, and where.
//!
//! Not here: how it is shown to a person (the command line draws file, line, column and caret).

use std::ops::Range;

/// One fault in a file, pointing at the bytes that are at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable name for the sort of fault, such as `memorandum::unknown-field`.
    pub code: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The bytes at fault; always on character boundaries and within the file.
    pub span: Range<usize>,
    /// A few words beside the caret.
    pub label: String,
    /// What to do next, when we know it.
    pub help: Option<String>,
    /// Another place that explains the fault, with its label: the first of two that clash.
    pub related: Option<(Range<usize>, String)>,
}

impl Diagnostic {
    /// A fault of sort `code` at `span`.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>, span: Range<usize>, label: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            span,
            label: label.into(),
            help: None,
            related: None,
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, pointing at a second place too.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }

    /// Line and column of the fault in `text`. Units: both from 1, columns in characters.
    #[must_use]
    pub fn position(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().unwrap_or("").chars().count().saturating_add(1);
        (line, column)
    }
}
