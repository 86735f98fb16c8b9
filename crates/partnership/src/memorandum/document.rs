//! The Markdown around the blocks: where the blocks are, and which heading and prose stand beside each.
//!
//! Not here: what stands in a block (`read`).

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::diagnostic::Diagnostic;

/// A fenced block for the machine.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) label: Label,
    /// From the opening fence to the end of the closing one. Units: bytes of the file, like all spans here.
    pub(super) span: Range<usize>,
    /// What follows the opening backticks.
    pub(super) info: Range<usize>,
    /// The TOML.
    pub(super) body: Range<usize>,
    /// Which section it stands in.
    pub(super) section: usize,
}

/// What a block says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Memorandum,
    Clause(String),
}

/// A heading and the prose under it, up to the next heading.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) paragraphs: Vec<String>,
}

/// A file taken apart.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) blocks: Vec<Block>,
    pub(super) sections: Vec<Section>,
}

const FENCE: &str = "```";
const FENCE_HELP: &str = "write ```` ```toml memorandum ```` once and ```` ```toml clause <id> ```` for each clause, at the start of a line";

/// Finds the blocks and the prose. Faults go to `faults`.
pub(super) fn read(text: &str, faults: &mut Vec<Diagnostic>) -> Document {
    let mut reading =
        Reading { text, blocks: Vec::new(), sections: vec![Section::default()], line: String::new(), faults };
    for (event, span) in Parser::new(text).into_offset_iter() {
        reading.event(event, span);
    }
    reading.flush();
    let Reading { blocks, sections, .. } = reading;
    check_hidden(text, &blocks, faults);
    Document { blocks, sections }
}

struct Reading<'a> {
    text: &'a str,
    blocks: Vec<Block>,
    sections: Vec<Section>,
    line: String,
    faults: &'a mut Vec<Diagnostic>,
}

impl Reading<'_> {
    fn event(&mut self, event: Event<'_>, span: Range<usize>) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                self.flush();
                self.sections.push(Section::default());
            }
            Event::End(TagEnd::Heading(_)) => self.entitle(),
            Event::Start(Tag::CodeBlock(kind)) => {
                self.flush();
                if let CodeBlockKind::Fenced(info) = kind {
                    self.fence(&info, span);
                }
            }
            Event::End(TagEnd::CodeBlock) => self.line.clear(),
            Event::End(TagEnd::Paragraph | TagEnd::Item) | Event::Start(Tag::List(_)) => self.flush(),
            Event::Text(text) | Event::Code(text) => self.line.push_str(&text),
            Event::SoftBreak | Event::HardBreak => self.line.push(' '),
            _ => {}
        }
    }

    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        if let Some(section) = self.sections.last_mut()
            && !line.trim().is_empty()
        {
            section.paragraphs.push(line.trim().to_owned());
        }
    }

    fn entitle(&mut self) {
        let title = std::mem::take(&mut self.line);
        if let Some(section) = self.sections.last_mut() {
            title.trim().clone_into(&mut section.title);
        }
    }

    fn fence(&mut self, info: &str, span: Range<usize>) {
        let words: Vec<&str> = info.split_whitespace().collect();
        if !for_the_machine(&words) {
            return;
        }
        match self.block(&words, span) {
            Ok(block) => self.blocks.push(block),
            Err(fault) => self.faults.push(*fault),
        }
    }

    fn block(&self, words: &[&str], span: Range<usize>) -> Result<Block, Box<Diagnostic>> {
        let raw = self.text.get(span.clone()).unwrap_or("");
        let first = raw.lines().next().unwrap_or("");
        let head = span.start..span.start.saturating_add(first.len());
        let fault = |message: &str, label: &str| {
            Box::new(Diagnostic::new("memorandum::fence", message, head.clone(), label).help(FENCE_HELP))
        };
        if !at_line_start(self.text, span.start) {
            return Err(fault("a block must open at the start of its line", "indented, quoted or in a list"));
        }
        if !first.starts_with(FENCE) || first.starts_with("````") {
            return Err(fault("a block must open with three backticks", "another fence"));
        }
        let label = label(words)
            .ok_or_else(|| fault("a block must be `toml memorandum` or `toml clause <id>`", "neither"))?;
        let closing = raw
            .trim_end_matches('\n')
            .rfind('\n')
            .filter(|at| raw.get(at.saturating_add(1)..).is_some_and(closes));
        let closing = closing.ok_or_else(|| {
            let open = *fault("the block is not closed", "opened here");
            Box::new(open.help("close it with three backticks on a line of their own"))
        })?;
        let open = span.start.saturating_add(first.len()).saturating_add(1);
        let close = span.start.saturating_add(closing).saturating_add(1);
        Ok(Block {
            label,
            span: span.start..span.start.saturating_add(raw.trim_end_matches('\n').len()),
            info: head.start.saturating_add(FENCE.len())..head.end,
            body: open..close.max(open),
            section: self.sections.len().saturating_sub(1),
        })
    }
}

fn for_the_machine(words: &[&str]) -> bool {
    let marked = |word: &&str| word.eq_ignore_ascii_case("clause") || word.eq_ignore_ascii_case("memorandum");
    match words {
        [] | ["toml"] => false,
        ["toml", ..] => true,
        [first, ..] => marked(first) || first.eq_ignore_ascii_case("toml"),
    }
}

fn label(words: &[&str]) -> Option<Label> {
    match words {
        ["toml", "memorandum"] => Some(Label::Memorandum),
        ["toml", "clause", id] => Some(Label::Clause((*id).to_owned())),
        _ => None,
    }
}

fn closes(line: &str) -> bool {
    line.trim_end() == FENCE
}

fn at_line_start(text: &str, at: usize) -> bool {
    text.get(..at).is_some_and(|before| before.is_empty() || before.ends_with('\n'))
}

/// A line that looks like an opening fence but is not read as one (inside HTML, an indented block or another fence)
/// would let the parties read a clause that the machine does not.
fn check_hidden(text: &str, blocks: &[Block], faults: &mut Vec<Diagnostic>) {
    let mut at: usize = 0;
    for line in text.split_inclusive('\n') {
        let span = at..at.saturating_add(line.trim_end().len());
        at = at.saturating_add(line.len());
        if looks_like_a_block(line) && !is_known(&span, blocks, faults) {
            let fault = Diagnostic::new(
                "memorandum::fence",
                "this line opens no block",
                span,
                "hidden from the machine",
            );
            faults.push(fault.help("take it out of the HTML, indented text or other block around it"));
        }
    }
}

fn looks_like_a_block(line: &str) -> bool {
    let bare = line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '>' | '-' | '*' | '+'));
    bare.starts_with("```toml clause") || bare.starts_with("```toml memorandum")
}

fn is_known(span: &Range<usize>, blocks: &[Block], faults: &[Diagnostic]) -> bool {
    blocks.iter().any(|block| block.span.start == span.start)
        || faults.iter().any(|fault| span.contains(&fault.span.start))
}
