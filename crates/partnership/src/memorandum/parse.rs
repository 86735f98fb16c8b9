//! From a file's text to a memorandum: blocks, header, clauses, and what holds between them.
//!
//! Not here: any single value (`read`), kind (`kinds`) or heading (`document`).

use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use super::check;
use super::clause::{Clause, Force, Kind, Source};
use super::diagnostic::Diagnostic;
use super::document::{self, Block, Document, Label, Section};
use super::fields::{AMOUNT_SOURCE, COMMON, KINDS, Row};
use super::header::Header;
use super::read::{Place, Reader, Scope, suggest};
use super::{ID_HELP, Memorandum, heading, is_kebab_case, kinds};
use crate::ids::ClauseId;

/// Faults of the text as such, which would make its bytes ambiguous to sign or to read.
pub(super) fn plain(text: &str) -> Vec<Diagnostic> {
    let first = |found: fn(char) -> bool| {
        text.char_indices().find(|(_, c)| found(*c)).map(|(at, c)| at..at.saturating_add(c.len_utf8()))
    };
    let mut faults = Vec::new();
    if let Some(span) = first(|c| c == '\u{feff}') {
        faults.push(
            Diagnostic::new("memorandum::bom", "the file has a byte order mark", span, "here")
                .help("save it as UTF-8 without one"),
        );
    }
    if let Some(span) = first(|c| c == '\r') {
        let fault = Diagnostic::new(
            "memorandum::line-end",
            "the file has carriage returns",
            span,
            "the first is here",
        );
        faults.push(fault.help("save it with line feeds alone, so that all parties sign the same bytes"));
    }
    if let Some(span) = first(is_hidden) {
        let fault = Diagnostic::new(
            "memorandum::hidden-text",
            "the file has a character that hides or turns text",
            span,
            "here",
        );
        faults.push(fault.help("take it out: what is signed must be what is seen"));
    }
    faults
}

/// Control characters, and those that turn the direction of text or take no room.
fn is_hidden(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\t' | '\r');
    control || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

/// Reads a text that [`plain`] has found no fault with.
pub(super) fn read(text: &str) -> Result<Memorandum, Vec<Diagnostic>> {
    let mut faults = Vec::new();
    let document = document::read(text, &mut faults);
    let mut reading = Reading { text, faults, references: Vec::new(), ids: Vec::new() };
    let (header, scope) = reading.header(&document);
    let clauses = reading.clauses(&document, &scope);
    let Reading { mut faults, references, ids, .. } = reading;
    check::ids(&ids, &mut faults);
    check::references(&references, &ids, &mut faults);
    check::clashes(&clauses, &ids, &mut faults);
    match header {
        Some(header) if faults.is_empty() => {
            let digest = record::hash::sha256(text.as_bytes());
            Ok(Memorandum { header, clauses, digest, text: Arc::from(text) })
        }
        _ => {
            faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
            Err(faults)
        }
    }
}

struct Reading<'a> {
    text: &'a str,
    faults: Vec<Diagnostic>,
    references: Vec<(ClauseId, Range<usize>)>,
    ids: check::Ids,
}

impl<'a> Reading<'a> {
    fn header(&mut self, document: &Document) -> (Option<Header>, Scope) {
        let mut blocks = document.blocks.iter().filter(|block| block.label == Label::Memorandum);
        let Some(first) = blocks.next() else {
            self.faults.push(
                Diagnostic::new(
                    "memorandum::no-header",
                    "the file has no header",
                    0..0,
                    "no ```toml memorandum block anywhere",
                )
                .help(
                    "open a block with ```toml memorandum and give it title, version, parties and effective",
                ),
            );
            return (None, heading::unknown_scope());
        };
        for second in blocks {
            let fault =
                Diagnostic::new("memorandum::twice", "there are two headers", second.info.clone(), "again");
            self.faults.push(fault.related(first.info.clone(), "first here"));
        }
        let Some(table) = self.table(first) else { return (None, heading::unknown_scope()) };
        let scope = heading::unknown_scope();
        heading::read(&mut self.reader(first, &table, &scope))
    }

    fn clauses(&mut self, document: &Document, scope: &Scope) -> Vec<Clause> {
        let mut clauses = Vec::new();
        for block in &document.blocks {
            if let Label::Clause(id) = &block.label
                && let Some(section) = document.sections.get(block.section)
            {
                clauses.extend(self.clause(id, block, section, scope));
            }
        }
        clauses
    }

    fn clause(&mut self, id: &str, block: &Block, section: &Section, scope: &Scope) -> Option<Clause> {
        let span = block.info.end.saturating_sub(self.tail(block, id))..block.info.end;
        if !is_kebab_case(id) {
            self.faults.push(
                Diagnostic::new("memorandum::id", format!("`{id}` is no id"), span.clone(), "of this clause")
                    .help(ID_HELP),
            );
        }
        self.ids.push((ClauseId::from(id), span));
        let table = self.table(block)?;
        let mut reader = self.reader(block, &table, scope);
        let row = row(&mut reader)?;
        reader.expect(&format!("`{}`", row.name), COMMON.iter().chain(row.fields));
        let force = force(&mut reader);
        let source = source(&mut reader, "source");
        let has_amount = row.fields.iter().any(|field| field.name == AMOUNT_SOURCE.name);
        let amount_source =
            has_amount.then(|| self::source(&mut reader, AMOUNT_SOURCE.name)).flatten().or(source);
        let kind: Option<Kind> = kinds::read(row.name, &mut reader);
        Some(Clause {
            id: ClauseId::from(id),
            force: force?,
            source: source?,
            amount_source: amount_source?,
            kind: kind?,
            title: section.title.clone(),
            prose: section.paragraphs.join("\n\n"),
            span: block.span.clone(),
        })
    }

    /// How far the id's first byte is from the end of the opening line.
    fn tail(&self, block: &Block, id: &str) -> usize {
        let info = self.text.get(block.info.clone()).unwrap_or("");
        info.rfind(id).map_or(info.len(), |at| info.len().saturating_sub(at))
    }

    fn table(&mut self, block: &Block) -> Option<DeTable<'a>> {
        let body = self.text.get(block.body.clone()).unwrap_or("");
        if let Some(at) = body.find('\t') {
            let at = block.body.start.saturating_add(at);
            let fault =
                Diagnostic::new("memorandum::tab", "a block has a tab", at..at.saturating_add(1), "here");
            self.faults.push(fault.help("use spaces: tabs look different to each reader"));
            return None;
        }
        let (table, errors) = DeTable::parse_recoverable(body);
        // What follows the first error of a block is mostly its echo.
        self.faults.extend(errors.first().map(|error| toml_fault(error, block, self.text)));
        errors.is_empty().then(|| table.into_inner())
    }

    fn reader<'b>(&'b mut self, block: &Block, table: &'b DeTable<'b>, scope: &'b Scope) -> Reader<'b> {
        let place = Place { text: self.text, body: block.body.start, info: block.info.clone() };
        Reader::new(&place, table, scope, &mut self.faults, &mut self.references)
    }
}

fn toml_fault(error: &toml::de::Error, block: &Block, text: &str) -> Diagnostic {
    let within = error.span().unwrap_or(0..0);
    let clamp = |at: usize| block.body.start.saturating_add(at).min(block.body.end);
    let span = clamp(within.start)..clamp(within.end);
    let span = if text.get(span.clone()).is_some() { span } else { block.info.clone() };
    Diagnostic::new(
        "memorandum::toml",
        format!("the block is not TOML: {}", error.message().trim()),
        span,
        "here",
    )
}

fn row(reader: &mut Reader<'_>) -> Option<&'static Row> {
    let names: Vec<&str> = KINDS.iter().map(|row| row.name).collect();
    let Some(at) = reader.found("kind") else {
        let span = reader.block();
        let fault = reader.fault(
            "memorandum::missing-field",
            "the clause needs the field `kind`",
            span,
            "not in this block",
        );
        fault.help = Some(suggest("", &names));
        return None;
    };
    let word = at.value.as_str().unwrap_or("");
    let row = KINDS.iter().find(|row| row.name == word);
    if row.is_none() {
        let help = suggest(word, &names);
        reader
            .fault(
                "memorandum::unknown-kind",
                format!("`{word}` is no kind of clause"),
                at.span(),
                "not known",
            )
            .help = Some(help);
    }
    row
}

fn force(reader: &mut Reader<'_>) -> Option<Force> {
    if reader.found("force").is_none() && reader.scope.force.is_none() {
        let span = reader.block();
        let fault = reader.fault(
            "memorandum::no-force",
            "the clause states no force, and neither does the header",
            span,
            "binding or not?",
        );
        fault.help = Some(
            "write `force = \"binding\"` or `force = \"non-binding\"`, here or in the header".to_owned(),
        );
        return None;
    }
    if reader.found("force").is_none() {
        return reader.scope.force;
    }
    match reader.word("force", &["binding", "non-binding"])? {
        "binding" => Some(Force::Binding),
        _ => Some(Force::NonBinding),
    }
}

fn source(reader: &mut Reader<'_>, name: &str) -> Option<Source> {
    match reader.word(name, &["signed", "disclosed", "reported", "inferred"])? {
        "signed" => Some(Source::Signed),
        "disclosed" => Some(Source::Disclosed),
        "reported" => Some(Source::Reported),
        _ => Some(Source::Inferred),
    }
}
