//! The values of a few members of a JSON object that passes by, of whatever length it is.
//!
//! Not a parser: what is no JSON gives nothing, or what it holds until it goes wrong. Nothing is kept but the values that are wanted.

/// The longest value that is kept. Units: bytes. A model's name and an answer's usage are far shorter.
const VALUE_BYTES_MAX: usize = 16 << 10;
/// The longest name that is read. Units: bytes.
const NAME_BYTES_MAX: usize = 64;

/// Members of the outermost object. A name that comes twice counts as its last.
#[derive(Debug)]
pub(super) struct Members {
    wanted: &'static [&'static str],
    found: Vec<Option<Vec<u8>>>,
    /// How many objects and lists are open.
    depth: u32,
    place: Place,
    in_string: bool,
    /// Whether the last byte of a string was a backslash that counts.
    escaped: bool,
    name: Vec<u8>,
    /// The wanted member whose value is being read, and the value so far.
    value: Option<(usize, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    BeforeName,
    Name,
    AfterName,
    Value,
    /// Behind the object, or what comes is no object.
    Over,
}

impl Members {
    /// Looks for members of these names.
    pub(super) fn new(wanted: &'static [&'static str]) -> Self {
        Self {
            wanted,
            found: vec![None; wanted.len()],
            depth: 0,
            place: Place::BeforeName,
            in_string: false,
            escaped: false,
            name: Vec::new(),
            value: None,
        }
    }

    /// Takes in the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while self.place != Place::Over {
            if self.in_string && self.place == Place::Value && self.value.is_none() && !self.escaped {
                let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
                bytes = bytes.get(end.unwrap_or(bytes.len())..).unwrap_or_default();
            }
            let Some((byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            if self.in_string { self.inside(*byte) } else { self.outside(*byte) }
        }
    }

    /// The last value of a member, as it was written; none where it has not come whole.
    pub(super) fn value(&self, name: &str) -> Option<&[u8]> {
        let place = self.wanted.iter().position(|wanted| *wanted == name)?;
        self.found.get(place)?.as_deref()
    }

    fn inside(&mut self, byte: u8) {
        let ends = byte == b'"' && !self.escaped;
        self.escaped = byte == b'\\' && !self.escaped;
        if self.place == Place::Name {
            if !ends && self.name.len() < NAME_BYTES_MAX {
                self.name.push(byte);
            }
        } else {
            self.keep(byte);
        }
        if ends {
            self.in_string = false;
            if self.place == Place::Name {
                self.place = Place::AfterName;
            }
        }
    }

    fn outside(&mut self, byte: u8) {
        match (byte, self.depth) {
            (b' ' | b'\t' | b'\n' | b'\r', 0 | 1) => {}
            (b'{', 0) => self.depth = 1,
            (_, 0) => self.place = Place::Over,
            (b'"', 1) if self.place == Place::BeforeName => {
                self.name.clear();
                (self.place, self.in_string) = (Place::Name, true);
            }
            (b':', 1) if self.place == Place::AfterName => {
                self.place = Place::Value;
                self.value = self.wanted().map(|wanted| (wanted, Vec::new()));
            }
            (b',', 1) => {
                self.commit();
                self.place = Place::BeforeName;
            }
            (b'}', 1) => {
                self.commit();
                self.place = Place::Over;
            }
            _ => {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                self.keep(byte);
            }
        }
    }

    /// The wanted member that the name just read is of, however it is escaped.
    fn wanted(&self) -> Option<usize> {
        let quoted = [b"\"".as_slice(), &self.name, b"\""].concat();
        let name: String = serde_json::from_slice(&quoted).ok()?;
        self.wanted.iter().position(|wanted| *wanted == name)
    }

    fn keep(&mut self, byte: u8) {
        if let Some((_, value)) = &mut self.value
            && value.len() <= VALUE_BYTES_MAX
        {
            value.push(byte);
        }
    }

    fn commit(&mut self) {
        if let Some((wanted, value)) = self.value.take()
            && let Some(found) = self.found.get_mut(wanted)
        {
            *found = Some(value).filter(|value| value.len() <= VALUE_BYTES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&[u8]]) -> [Option<String>; 2] {
        let mut members = Members::new(&["model", "usage"]);
        parts.iter().for_each(|part| members.push(part));
        ["model", "usage"]
            .map(|name| members.value(name).map(|value| String::from_utf8_lossy(value).into_owned()))
    }

    #[test]
    fn members_of_the_outermost_object_are_found_wherever_it_is_cut() {
        let usage = r#"{"a":{"model":2},"b":[1,"}"]}"#;
        for (text, expected) in [
            (r#"{"model":"m"}"#.to_owned(), [Some(r#""m""#), None]),
            (
                format!(r#"{{"x":{{"model":"inner"}},"usage":{usage},"model":"a\"b\\"}}"#),
                [Some(r#""a\"b\\""#), Some(usage)],
            ),
            (
                r#" { "content" : "{\"model\":\"no\"}" , "mod\u0065l" : null } "#.to_owned(),
                [Some("null"), None],
            ),
            (r#"{"model":"a","model":"b"}"#.to_owned(), [Some(r#""b""#), None]),
            (r#"{"y":"model","z":"usage","model":"never ends"#.to_owned(), [None, None]),
            (r#"[{"model":"m"}]"#.to_owned(), [None, None]),
            ("no json, \"model\":\"m\"".to_owned(), [None, None]),
            (r#"{"model":"m"},"usage":{}}"#.to_owned(), [Some(r#""m""#), None]),
            (String::new(), [None, None]),
        ] {
            let bytes = text.as_bytes();
            for cut in 0..=bytes.len() {
                let (first, second) = bytes.split_at(cut);
                let found = read(&[first, second]);
                assert_eq!(found.each_ref().map(Option::as_deref), expected, "{text} cut at {cut}");
            }
            let each: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(read(&each).each_ref().map(Option::as_deref), expected, "{text}");
        }
    }

    #[test]
    fn a_value_without_end_is_not_kept() {
        let long = format!(r#"{{"usage":"{}","model":"m"}}"#, "x".repeat(1 << 20));
        assert_eq!(read(&[long.as_bytes()]), [Some(r#""m""#.to_owned()), None]);
        let mut members = Members::new(&["model"]);
        members.push(b"{\"model\":\"");
        (0..64).for_each(|_| members.push(&[b'x'; 4096]));
        assert!(members.value.as_ref().unwrap().1.len() <= VALUE_BYTES_MAX + 1);
    }
}
