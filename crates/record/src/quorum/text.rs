//! The text of a C2SP tlog-policy, read and written. Not what it asks for of a checkpoint.

use std::collections::BTreeMap;

use super::{Member, NONE, Quorum, QuorumError};
use crate::checkpoint::decimal;
use crate::cosignature::CosignerKey;
use crate::note::{NoteError, Verifier};

impl Quorum {
    /// Reads the text of a tlog-policy. What it says of addresses and in comments is not kept.
    ///
    /// Stricter than the specification in two things: the text must be UTF-8, and no two keys may be one, not even a log's
    /// and a cosigner's.
    ///
    /// # Errors
    /// [`QuorumError`].
    pub fn parse(text: &str) -> Result<Self, QuorumError> {
        let mut reading =
            Reading { quorum: Self::empty(), names: BTreeMap::new(), grouped: Vec::new(), asked: None };
        for (place, line) in text.split_inclusive('\n').enumerate() {
            let count = place.saturating_add(1);
            let body = line.strip_suffix('\n').ok_or_else(|| bad(count, "it does not end with a newline"))?;
            if body.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
                return Err(bad(count, "it has a control character"));
            }
            reading.line(count, body)?;
        }
        let asked = reading.asked.ok_or(QuorumError::NoQuorum)?;
        Ok(Self { asked, ..reading.quorum })
    }

    /// The text that [`Quorum::parse`] reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for log in &self.logs {
            text.push_str(&format!("log {log}\n"));
        }
        for (name, key) in self.names.iter().zip(&self.cosigners) {
            text.push_str(&format!("witness {name} {key}\n"));
        }
        for group in &self.groups {
            let members: Vec<&str> = group.members.iter().map(|member| self.name_of(*member)).collect();
            let enough = match group.enough {
                all if all == members.len() => "all".to_owned(),
                1 => "any".to_owned(),
                some => some.to_string(),
            };
            text.push_str(&format!("group {} {enough} {}\n", group.name, members.join(" ")));
        }
        text.push_str(&format!("quorum {}\n", self.asked.map_or(NONE, |asked| self.name_of(asked))));
        text
    }

    fn name_of(&self, member: Member) -> &str {
        match member {
            Member::Cosigner(place) => self.names.get(place).map_or("", String::as_str),
            Member::Group(place) => self.groups.get(place).map_or("", |group| &group.name),
        }
    }
}

/// A text that is being read.
struct Reading {
    quorum: Quorum,
    names: BTreeMap<String, Member>,
    /// The members that have a group already.
    grouped: Vec<Member>,
    asked: Option<Option<Member>>,
}

impl Reading {
    fn line(&mut self, line: usize, body: &str) -> Result<(), QuorumError> {
        let words: Vec<&str> = body.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match *words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => {
                let key = Verifier::parse(key).map_err(|error| bad_key(line, &error))?;
                self.quorum.add_log(key)
            }
            ["witness", name, key] | ["witness", name, key, _] => {
                let key = CosignerKey::parse(key).map_err(|error| bad_key(line, &error))?;
                let member = self.quorum.add_cosigner(name.to_owned(), key)?;
                self.define(line, name, member)
            }
            ["group", name, enough, ref members @ ..] if !members.is_empty() => {
                self.group(line, name, enough, members)
            }
            ["quorum", name] => {
                let asked = if name == NONE { None } else { Some(self.find(line, name)?) };
                match self.asked.replace(asked) {
                    None => Ok(()),
                    Some(_) => Err(bad(line, "a second `quorum`")),
                }
            }
            _ => Err(bad(line, "expected `log`, `witness`, `group` or `quorum` with what belongs to it")),
        }
    }

    fn group(&mut self, line: usize, name: &str, enough: &str, members: &[&str]) -> Result<(), QuorumError> {
        let members: Vec<Member> =
            members.iter().map(|name| self.find(line, name)).collect::<Result<_, _>>()?;
        for member in &members {
            if self.grouped.contains(member) {
                return Err(bad(line, "a member stands in a group already"));
            }
            self.grouped.push(*member);
        }
        let enough = match enough {
            "all" => Some(members.len()),
            "any" => Some(1),
            number => decimal(number).and_then(|number| usize::try_from(number).ok()),
        };
        let enough = enough
            .filter(|enough| (1..=members.len()).contains(enough))
            .ok_or_else(|| bad(line, "expected `all`, `any` or a number from 1 to that of the members"))?;
        let member = self.quorum.add_group(name.to_owned(), enough, members);
        self.define(line, name, member)
    }

    fn define(&mut self, line: usize, name: &str, member: Member) -> Result<(), QuorumError> {
        if name == NONE {
            return Err(bad(line, "the name `none` is taken"));
        }
        match self.names.insert(name.to_owned(), member) {
            None => Ok(()),
            Some(_) => Err(bad(line, "the name is taken")),
        }
    }

    fn find(&self, line: usize, name: &str) -> Result<Member, QuorumError> {
        self.names.get(name).copied().ok_or_else(|| bad(line, &format!("nothing before is named `{name}`")))
    }
}

fn bad(line: usize, what: &str) -> QuorumError {
    QuorumError::Line { line, what: what.to_owned() }
}

fn bad_key(line: usize, error: &NoteError) -> QuorumError {
    bad(line, &error.to_string())
}
