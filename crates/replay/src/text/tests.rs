//! Values at their edges.

use super::*;

fn read<T>(text: &str, with: impl Fn(&mut Text<'_>) -> Read<T>) -> Option<T> {
    let mut text = Text::new(text.as_bytes()).ok()?;
    with(&mut text).ok().filter(|_| text.end().is_ok())
}

#[test]
fn integers_are_read_at_their_edges_and_no_further() {
    let edges =
        [i128::MIN, i128::MIN + 1, -1, 0, 1, i128::from(u64::MAX), 9_999_999_999_999_999_999, i128::MAX];
    for edge in edges {
        assert_eq!(read(&format!("{edge}\""), |text| text.amount()), Some(edge));
    }
    let beyond = [
        "170141183460469231731687303715884105728",
        "-170141183460469231731687303715884105729",
        "-0",
        "00",
        "-01",
        "",
        "-",
        "1 ",
        "1.0",
        "0x1",
    ];
    for text in beyond {
        assert_eq!(read(&format!("{text}\""), |text| text.amount()), None, "{text}");
    }
    assert_eq!(read("18446744073709551615\"", |text| text.count()), Some(u64::MAX));
    assert_eq!(read("18446744073709551616\"", |text| text.count()), None);
    assert_eq!(read("340282366920938463463374607431768211456\"", |text| text.count()), None);
}

#[test]
fn a_string_ends_where_it_ends_whatever_stands_at_whatever_place() {
    for before in 0..20 {
        let plain_part = "ü".repeat(before / 2) + &"x".repeat(before % 2);
        for (inside, holds) in [
            ("", true),
            ("\\\"", true),
            ("\\\\", true),
            ("\\u0000", true),
            ("\\u001f", true),
            ("\\n", true),
            ("\u{7f}", true),
            ("\\u0008", false),
            ("\\u0020", false),
            ("\\a", false),
            ("\\", false),
            ("\u{0}", false),
            ("\n", false),
            ("\u{1f}", false),
        ] {
            let string = format!("{plain_part}{inside}{plain_part}");
            let found = read(&format!("{string}\""), |text| text.string().map(<[u8]>::to_vec));
            assert_eq!(found, holds.then(|| string.clone().into_bytes()), "{string:?}");
        }
        assert_eq!(read(&plain_part, |text| text.string().map(drop)), None, "it has no end");
    }
    assert_eq!(plain(br#"a\"\\\b\f\n\r\t\u0000\u001f"#), "a\"\\\u{8}\u{c}\n\r\t\u{0}\u{1f}");
}

#[test]
fn bytes_are_read_in_their_one_base64() {
    for count in [1, 2, 3, 16, 31, 32, 33, 48, 80] {
        let text = record::hash::base64(&vec![0xa5; count]);
        assert!(read(&format!("{text}\""), |it| it.bytes(count).map(drop)).is_some(), "{text}");
        assert_eq!(read(&format!("{text}\""), |it| it.bytes(count + 3).map(drop)), None);
        for place in 0..text.len() {
            for other in [b'=', b'-', b'\n', b'/', b'A', b'B'] {
                let mut changed = text.clone().into_bytes();
                changed[place] = other;
                let changed = String::from_utf8(changed).unwrap();
                let right = record::hash::from_base64(&changed).is_some_and(|bytes| bytes.len() == count);
                assert_eq!(
                    read(&format!("{changed}\""), |it| it.bytes(count).map(drop)).is_some(),
                    right,
                    "{changed}"
                );
            }
        }
    }
}
