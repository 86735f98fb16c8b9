//! The strict JSON of an entry, as `serde_json` writes it without white space and without numbers. Not a parser to
//! values: it only finds where a value ends and refuses what has a second spelling.

/// Whether `bytes` are one value, and UTF-8.
///
/// Shape: not so for white space outside strings, numbers (they are written as strings), escapes other than
/// those `serde_json` writes, a key twice in one object, or nesting beyond 32.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok() && skip_value(bytes, DEPTH_MAX).is_some_and(<[u8]>::is_empty)
}

/// Splits the string that `bytes` begin with into what stands between its quotes, still escaped, and what
/// follows it.
fn split_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = bytes.strip_prefix(b"\"")?;
    let mut rest = inner;
    loop {
        let plain = rest.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\')?;
        rest = rest.get(plain..)?;
        match rest.split_first()? {
            (b'"', after) => {
                let length = inner.len().checked_sub(rest.len())?;
                return Some((inner.get(..length)?, after));
            }
            (b'\\', after) => rest = skip_escape(after)?,
            _ => return None,
        }
    }
}

fn skip_value(bytes: &[u8], depth: u8) -> Option<&[u8]> {
    let depth = depth.checked_sub(1)?;
    match bytes.first()? {
        b'"' => split_string(bytes).map(|(_, rest)| rest),
        b'{' => skip_object(bytes.get(1..)?, depth),
        b'[' => skip_array(bytes.get(1..)?, depth),
        b't' => bytes.strip_prefix(b"true"),
        b'f' => bytes.strip_prefix(b"false"),
        b'n' => bytes.strip_prefix(b"null"),
        _ => None,
    }
}

fn skip_object(bytes: &[u8], depth: u8) -> Option<&[u8]> {
    if let Some(rest) = bytes.strip_prefix(b"}") {
        return Some(rest);
    }
    let mut keys = Vec::new();
    let mut rest = bytes;
    loop {
        let (key, after) = split_string(rest)?;
        keys.push(key);
        rest = skip_value(after.strip_prefix(b":")?, depth)?;
        match rest.split_first()? {
            (b',', after) => rest = after,
            (b'}', after) => return unique(keys).then_some(after),
            _ => return None,
        }
    }
}

fn skip_array(bytes: &[u8], depth: u8) -> Option<&[u8]> {
    if let Some(rest) = bytes.strip_prefix(b"]") {
        return Some(rest);
    }
    let mut rest = bytes;
    loop {
        rest = skip_value(rest, depth)?;
        match rest.split_first()? {
            (b',', after) => rest = after,
            (b']', after) => return Some(after),
            _ => return None,
        }
    }
}

/// Skips what follows a backslash, if it is the one way to write that character.
fn skip_escape(bytes: &[u8]) -> Option<&[u8]> {
    match bytes.split_first()? {
        (b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', rest) => Some(rest),
        (b'u', rest) => {
            let (digits, rest) = rest.split_first_chunk::<4>()?;
            let [b'0', b'0', high @ (b'0' | b'1'), low @ (b'0'..=b'9' | b'a'..=b'f')] = digits else {
                return None;
            };
            let named = matches!((high, low), (b'0', b'8' | b'9' | b'a' | b'c' | b'd'));
            (!named).then_some(rest)
        }
        _ => None,
    }
}

/// Whether no key stands twice.
fn unique<T: Ord>(mut keys: Vec<T>) -> bool {
    keys.sort_unstable();
    keys.windows(2).all(|pair| matches!(pair, [a, b] if a != b))
}

const DEPTH_MAX: u8 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> bool {
        is_value(text.as_bytes())
    }

    #[test]
    fn each_value_has_one_spelling() {
        let good = [
            r#""""#,
            r#""a b""#,
            r#""\"\\\b\f\n\r\t\u0000\u001f\u000b""#,
            "\"ü\u{7f}\"",
            "true",
            "false",
            "null",
            "{}",
            "[]",
            r#"{"a":"1","b":[{"a":null},"x"]}"#,
            r#"["1","1"]"#,
        ];
        for text in good {
            assert!(whole(text), "{text}");
        }
        let bad = [
            "",
            "1",
            "-1",
            "1.5",
            " \"a\"",
            "\"a\" ",
            "{ }",
            r#"{"a": "1"}"#,
            r#"{"a":"1","a":"2"}"#,
            r#"{"a":"1",}"#,
            "[,]",
            r#"["1",]"#,
            r#""\/""#,
            r#""\u000a""#,
            r#""\u001F""#,
            r#""\u0041""#,
            "\"\n\"",
            "\"",
            "{",
            "[",
            "tru",
            r#"{"a"}"#,
            r#"{a:"1"}"#,
            r#""\ud83d\ude00""#,
            r#"[{"x":{"a":"1","b":"2","a":"3"}}]"#,
        ];
        for text in bad {
            assert!(!whole(text), "{text}");
        }
        assert!(whole(&format!("{}{}", "[".repeat(32), "]".repeat(32))));
        assert!(!whole(&format!("{}{}", "[".repeat(33), "]".repeat(33))));
    }
}
