//! The examples that the C2SP specifications print, as they print them. The keys that signed them are not printed, so of signatures it
//! is seen who made them and over what, not that they hold; that they do is shown by published checkpoints (`cosignature`) and by
//! Go's client (`tests/strangers/tlog`).

use record::cosignature::Cosigned;
use record::hash::{base64, from_base64};
use record::note::{self, NoteError};
use record::tile::{Kind, TilePath, changed, partials};
use record::{AddCheckpoint, Checkpoint, Receipt};

use crate::support::verifier;

/// <https://c2sp.org/tlog-checkpoint>, and with a cosignature <https://c2sp.org/tlog-cosignature>.
const CHECKPOINT: &str = "\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
";

/// <https://c2sp.org/tlog-witness>: the body of a request.
const REQUEST: &str = "\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
";

/// <https://c2sp.org/tlog-proof>; its signatures are printed with dots in them.
const PROOF: &str = "\
c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

— example.com/fancylog hI2DJw[...]1roloI=
— witness1.example mJirIklj[...]qY9v2B/5bg==
";

#[test]
fn the_note_of_the_specification_is_split_at_its_last_blank_line() {
    // <https://c2sp.org/signed-note>
    let text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n";
    let line = "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    let printed = format!("{text}\n{line}");
    assert_eq!(note::split(printed.as_bytes()), Ok((text, line)));
    // Signed, and by nobody whom we know.
    assert_eq!(note::open(printed.as_bytes(), &[&verifier()]), Err(NoteError::Unsigned));
    for cut in ["\n", "— ", " NnugSz"] {
        let broken = printed.replacen(cut, "", usize::MAX);
        assert!(
            matches!(note::open(broken.as_bytes(), &[&verifier()]), Err(error) if error != NoteError::Unsigned),
            "{cut:?}"
        );
    }
}

#[test]
fn the_checkpoint_of_the_specification_is_read_and_written_again() {
    let (text, lines) = note::split(CHECKPOINT.as_bytes()).unwrap();
    let head = Checkpoint::parse(text).unwrap();
    assert_eq!((head.origin.as_str(), head.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(base64(&head.root), "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=");
    assert_eq!(head.text(), text);
    // A line of its log is 4 + 64 bytes, one of a cosigner 4 + 8 + 64: its time stands in the message that is signed.
    let blobs: Vec<Vec<u8>> =
        lines.lines().map(|line| from_base64(line.rsplit(' ').next().unwrap()).unwrap()).collect();
    assert_eq!(blobs.iter().map(Vec::len).collect::<Vec<_>>(), [68, 76]);
    assert_eq!(u64::from_be_bytes(blobs[1][4..12].try_into().unwrap()), 1_679_315_147);
    let opened = Cosigned::open(CHECKPOINT.as_bytes(), &[&verifier()], &[]);
    assert!(opened.is_err(), "it is signed by no key that we know");
    for (from, to) in [
        ("20852163", "020852163"),
        ("20852163", "-20852163"),
        ("20852163", ""),
        ("CsUY", "Csuy="),
        ("example.com/behind-the-sofa\n2", "\n2"),
        ("q2I=\n", "q2I=\n\n"),
    ] {
        let other = text.replacen(from, to, 1);
        assert!(Checkpoint::parse(&other).is_err(), "{from:?} to {to:?}");
    }
}

#[test]
fn the_request_of_the_specification_is_read_and_written_again() {
    let request = AddCheckpoint::parse(REQUEST.as_bytes()).unwrap();
    assert_eq!((request.old, request.proof.len()), (20_852_014, 4));
    assert_eq!(base64(&request.proof[0]), "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=");
    let (text, lines) = note::split(&request.checkpoint).unwrap();
    assert_eq!((Checkpoint::parse(text).unwrap().size, lines.lines().count()), (20_852_163, 2));
    assert_eq!(request.encode(), REQUEST.as_bytes());
}

#[test]
fn the_proof_of_the_specification_is_read_and_written_again() {
    let proof = Receipt::parse(PROOF.as_bytes()).unwrap();
    assert_eq!((proof.index, proof.path.len()), (73_894, 5));
    assert!(proof.extra.as_deref().unwrap().starts_with(b"age-v1.2.1-darwin-arm64.tar.gz"));
    assert_eq!(base64(&proof.path[4]), "AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=");
    assert!(proof.checkpoint.starts_with(b"example.com/fancylog\n109482\n"));
    assert_eq!(proof.encode(), PROOF.as_bytes());
    assert!(proof.verify(b"", &verifier()).is_err(), "signatures with dots in them are none");
}

#[test]
fn trees_have_the_tiles_that_the_specification_counts() {
    // <https://c2sp.org/tlog-tiles>: how many full tiles of each level, and how wide the partial one is.
    type Level = (u8, usize, Option<u16>);
    let table: [(u64, &[Level]); 3] = [
        (70_000, &[(0, 273, Some(112)), (1, 1, Some(17)), (2, 0, Some(1))]),
        (256, &[(0, 1, None), (1, 0, Some(1)), (2, 0, None)]),
        (1, &[(0, 0, Some(1)), (1, 0, None), (2, 0, None)]),
    ];
    for (size, levels) in table {
        for (level, full, width) in levels {
            let of = |tiles: Vec<TilePath>| -> Vec<u16> {
                let own = tiles.into_iter().filter(|tile| tile.kind == Kind::Hashes(*level));
                own.map(|tile| tile.width).collect()
            };
            let whole = of(changed(0, size)).into_iter().filter(|width| *width == 256).count();
            assert_eq!((whole, of(partials(size)).first().copied()), (*full, *width), "{size}, {level}");
        }
    }
    // "Index 1234067 will be encoded as x001/x234/067."
    let tile = TilePath { kind: Kind::Hashes(0), number: 1_234_067, width: 256 };
    assert_eq!(tile.path(), "tile/0/x001/x234/067");
}
