//! Names of accounts and assets as Beancount takes them, and back. Not here: hledger's, which takes ours as they are.
//!
//! | ours | Beancount's |
//! | --- | --- |
//! | `credit:launch-credits:available` | `Assets:Credit:Launch-credits:Available` |
//! | `rounding:payer:CREDIT/1000000` | `Equity:Rounding:Payer:X-CREDITX2f1000000` |
//! | asset `CREDIT/1000000` | `CREDIT_1000000` |
//!
//! The root follows from the last part, is ours and carries nothing. A part that begins with a small letter other than `x` begins with its
//! capital; any other gets `X-` before it. Within a part every byte but letters, digits and hyphens, and every `X`, is `X` with the byte's
//! two hexadecimal digits. So no two names become one.

/// An account's name as Beancount takes it.
pub(super) fn account(name: &str) -> String {
    let last = name.rsplit(':').next().unwrap_or_default();
    let root = match last {
        "available" | "undrawn" | "drawn" => "Assets",
        "spent" | "breakage" | "lapsed" => "Expenses",
        _ => "Equity",
    };
    name.split(':').map(part).fold(root.to_owned(), |named, part| format!("{named}:{part}"))
}

/// An asset's name as Beancount takes it. Ours have capital letters and digits, and a slash before the denominator of a fraction.
pub(super) fn asset(name: &str) -> String {
    name.replace('/', "_")
}

fn part(text: &str) -> String {
    let mut bytes = text.bytes();
    let first = bytes.clone().next().filter(|first| first.is_ascii_lowercase() && *first != b'x');
    let begun = match first {
        Some(first) => {
            bytes.next();
            char::from(first.to_ascii_uppercase()).to_string()
        }
        None => "X-".to_owned(),
    };
    bytes.fold(begun, |named, byte| match byte {
        b'X' => format!("{named}X58"),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => format!("{named}{}", char::from(byte)),
        other => format!("{named}X{other:02x}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The way back, as docs/EXPORTS.md tells it.
    fn ours(named: &str) -> Option<String> {
        let (_, parts) = named.split_once(':')?;
        let parts: Option<Vec<String>> = parts.split(':').map(back).collect();
        Some(parts?.join(":"))
    }

    fn back(part: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let rest = if let Some(rest) = part.strip_prefix("X-") {
            rest
        } else {
            let (first, rest) = part.split_at_checked(1)?;
            bytes.extend(first.to_ascii_lowercase().bytes());
            rest
        };
        let mut rest = rest;
        while let Some((first, more)) = rest.split_at_checked(1).filter(|(first, _)| !first.is_empty()) {
            if first == "X" {
                let (digits, after) = more.split_at_checked(2)?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            } else {
                bytes.extend(first.bytes());
                rest = more;
            }
        }
        String::from_utf8(bytes).ok()
    }

    #[test]
    fn every_name_comes_back_and_no_two_become_one() {
        let rows = [
            ("credit:launch-credits:available", "Assets:Credit:Launch-credits:Available"),
            ("memo:credit:x-grant:spent", "Expenses:Memo:Credit:X-x-grant:Spent"),
            ("memo:credit:X-grant:spent", "Expenses:Memo:Credit:X-X58-grant:Spent"),
            ("commitment:2026-a:undrawn", "Assets:Commitment:X-2026-a:Undrawn"),
            ("rounding:payer:CREDIT/1000000", "Equity:Rounding:Payer:X-CREDITX2f1000000"),
            ("northwind:overrun:USD", "Equity:Northwind:Overrun:X-USD"),
            ("budget:cs_AbX9:issued", "Equity:Budget:CsX5fAbX589:Issued"),
            ("a:Ab", "Equity:A:X-Ab"),
            ("a:ab", "Equity:A:Ab"),
            ("a::é", "Equity:A:X-:X-Xc3Xa9"),
        ];
        for (name, named) in rows {
            assert_eq!(account(name), named);
            assert_eq!(ours(named).as_deref(), Some(name));
        }
        assert_eq!((asset("CREDIT/1000000").as_str(), asset("USD").as_str()), ("CREDIT_1000000", "USD"));
    }
}
