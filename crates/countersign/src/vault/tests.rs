//! The vault at each step of its life: what is in the folder, what a crash leaves, and what an old copy says.

mod content;

use super::*;
use std::fs;
use std::io::Write as _;
use tempfile::TempDir;

/// A partnership's folder with a vault in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("keys")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self) -> io::Result<Vault> {
        Vault::open(self.path("vault"), self.path("keys/wrapping"), Clock)
    }

    fn vault(&self) -> Vault {
        self.open().unwrap()
    }

    /// Another folder with the same in it, and nothing else.
    fn copied(&self) -> Self {
        let copy = Self::new();
        copy_all(self.0.path(), copy.0.path());
        copy
    }

    /// Every byte of every file.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        all_files(self.0.path(), &mut |path| bytes.extend(fs::read(path).unwrap()));
        bytes
    }

    /// Whether this stands in some file, as it is or in base64 or hexadecimal digits.
    fn holds(&self, secret: &[u8]) -> bool {
        let bytes = self.bytes();
        let (text, digits) = (record::hash::base64(secret), record::hash::hex(secret));
        let spellings = [secret, text.as_bytes(), digits.as_bytes()];
        spellings.iter().any(|spelled| bytes.windows(spelled.len()).any(|found| found == *spelled))
    }
}

fn put(path: &Path, bytes: &[u8]) {
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

fn all_files(folder: &Path, each: &mut impl FnMut(&Path)) {
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() { all_files(&path, each) } else { each(&path) }
    }
}

fn copy_all(from: &Path, to: &Path) {
    all_files(from, &mut |path| {
        let there = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::copy(path, there).unwrap();
    });
}

fn of(application: &str, end_user: Option<&str>, at: &str) -> Subject {
    Subject {
        application: application.into(),
        end_user: end_user.map(str::to_owned),
        at: format!("{at}T12:00:00Z").parse().unwrap(),
    }
}

/// The subjects of the tests: two applications, two months, and an end user who is named by both.
fn subjects() -> [Subject; 5] {
    [
        of("assistant", None, "2026-05-31"),
        of("assistant", Some("ann@example.test"), "2026-05-02"),
        of("assistant", Some("ann@example.test"), "2026-06-01"),
        of("search", None, "2026-05-31"),
        of("search", Some("ann@example.test"), "2026-06-30"),
    ]
}

fn act(number: u128) -> ActId {
    ActId::from_u128(number | (7 << 76) | (2 << 62))
}

fn scope(application: Option<&str>, before: Option<&str>, end_user: Option<&str>) -> Scope {
    Scope {
        application: application.map(Into::into),
        before: before.map(|before| before.parse().unwrap()),
        end_user: end_user.map(str::to_owned),
    }
}

#[test]
fn a_subject_has_one_key_which_lies_wrapped_and_tells_no_end_user() {
    let place = Place::new();
    let vault = place.vault();
    let keys = subjects().map(|subject| vault.key(&subject).unwrap());
    assert_eq!(BTreeSet::from(keys).len(), subjects().len(), "no two subjects share a key");
    assert_eq!(subjects().map(|subject| vault.key(&subject).unwrap()), keys);
    assert_eq!(place.vault().find(&of("search", None, "2026-05-01")), Some(keys[3]), "a month has one");
    assert_eq!(subjects().map(|subject| place.vault().find(&subject)), keys.map(Some));
    for key in keys {
        assert!(!place.holds(&key));
    }
    assert!(!place.holds(b"ann@example.test"));
    assert!(!place.holds(b"ann"));
    let wrapping = vault.file.read().unwrap().unwrap();
    assert!(Held::parse(&fs::read(place.path("vault/keys")).unwrap(), &wrapping).is_ok());
}

#[test]
fn an_erasure_destroys_what_it_is_of_and_nothing_else() {
    for (number, (asked, left)) in [
        (scope(Some("assistant"), Some("2026-06-01"), None), [false, false, true, true, true]),
        (scope(None, Some("2026-06-01"), None), [false, false, true, false, true]),
        (scope(None, None, Some("ann@example.test")), [true, false, false, true, false]),
        (scope(Some("search"), None, Some("ann@example.test")), [true, true, true, true, false]),
        (scope(None, Some("2026-06-01"), Some("ann@example.test")), [true, false, true, true, true]),
        (scope(None, None, Some("nobody")), [true; 5]),
    ]
    .into_iter()
    .enumerate()
    {
        let place = Place::new();
        let vault = place.vault();
        let keys = subjects().map(|subject| vault.key(&subject).unwrap());
        let count = left.iter().filter(|left| !**left).count();
        assert_eq!(vault.intend(act(1), &asked).unwrap(), u64::try_from(count).unwrap(), "{number}");
        assert_eq!(subjects().map(|subject| vault.find(&subject)), keys.map(Some), "only intended");
        assert!(vault.erase(act(1)).unwrap());
        assert!(vault.erase(act(1)).unwrap(), "again is as good");
        vault.forget(act(1)).unwrap();
        assert!(!vault.erase(act(1)).unwrap(), "it is not known any more");
        for vault in [vault, place.vault()] {
            for ((subject, key), left) in subjects().iter().zip(keys).zip(left) {
                assert_eq!(vault.find(subject), left.then_some(key), "{number} {subject:?}");
            }
        }
    }
}

#[test]
fn a_copy_of_the_vault_from_before_is_unreadable_without_the_wrapping_key_of_then() {
    let place = Place::new();
    let vault = place.vault();
    let keys = subjects().map(|subject| vault.key(&subject).unwrap());
    let (before, retired) = (place.copied(), vault.file.read().unwrap().unwrap());
    let old = fs::read(place.path("keys/wrapping")).unwrap();
    vault.intend(act(1), &scope(Some("assistant"), Some("2026-06-01"), None)).unwrap();
    vault.erase(act(1)).unwrap();
    assert!(before.vault().find(&subjects()[0]).is_some(), "with its own wrapping key the copy reads");
    fs::copy(place.path("keys/wrapping"), before.path("keys/wrapping")).unwrap();
    let refused = before.open().unwrap_err().to_string();
    assert!(refused.contains("was retired by an erasure"), "{refused}");
    let copied = fs::read(before.path("vault/keys")).unwrap();
    let wrapping = vault.file.read().unwrap().unwrap();
    assert!(Held::parse(&copied, &wrapping).is_err());
    assert!(Held::parse(&copied, &retired).is_ok(), "who has kept the retired key reads it");
    for secret in [&old[HEAD_BYTES..old.len() - 1], &keys[0], &keys[1]] {
        assert!(!place.holds(secret), "nothing is left of it");
    }
}

#[test]
fn wherever_an_erasure_is_cut_off_it_has_happened_or_can_be_gone_on_with() {
    let place = Place::new();
    let vault = place.vault();
    let keys = subjects().map(|subject| vault.key(&subject).unwrap());
    vault.intend(act(1), &scope(Some("assistant"), Some("2026-06-01"), None)).unwrap();
    let before = place.copied();
    vault.erase(act(1)).unwrap();
    // What each step leaves, put together from the files of before and after.
    let copied = |to: &Place, name: &str, from: &Place, of: &str| {
        fs::copy(from.path(of), to.path(name)).unwrap();
    };
    let staged = before.copied();
    copied(&staged, "vault/erased", &place, "vault/erased");
    copied(&staged, "keys/wrapping.next", &place, "keys/wrapping");
    let half_staged = before.copied();
    put(&half_staged.path("keys/.wrapping.next.1.1"), b"countersign/wrap");
    let half_written = staged.copied();
    put(&half_written.path("vault/.keys.1.1"), b"countersign/vault/v1 ");
    let written = staged.copied();
    copied(&written, "vault/keys", &place, "vault/keys");
    let half_overwritten = written.copied();
    let old = fs::read(before.path("keys/wrapping")).unwrap();
    put(&half_overwritten.path("keys/wrapping"), &vec![0; old.len()]);
    let retired = place.copied();
    for (step, cut, has_happened) in [
        ("before", before, false),
        ("half staged", half_staged, false),
        ("staged", staged, false),
        ("half written", half_written, false),
        ("written", written, true),
        ("overwritten", half_overwritten, true),
        ("retired", retired, true),
    ] {
        let vault = cut.vault();
        assert_eq!(vault.find(&subjects()[0]).is_none(), has_happened, "{step}");
        assert_eq!(vault.find(&subjects()[3]), Some(keys[3]), "{step}: no other key is lost");
        assert!(vault.erase(act(1)).unwrap(), "{step}");
        assert_eq!(vault.find(&subjects()[0]), None, "{step}");
        vault.forget(act(1)).unwrap();
        let vault = cut.vault();
        assert_eq!(
            subjects().map(|subject| vault.find(&subject)),
            [None, None, Some(keys[2]), Some(keys[3]), Some(keys[4])]
        );
        let mut names = Vec::new();
        all_files(cut.0.path(), &mut |path| names.push(path.strip_prefix(cut.0.path()).unwrap().to_owned()));
        names.sort();
        assert_eq!(names, ["keys/wrapping", "vault/erased", "vault/keys"].map(Path::new), "{step}");
        for secret in [&keys[0], &keys[1]] {
            assert!(!cut.holds(secret), "{step}");
        }
        assert!(!cut.holds(&old[HEAD_BYTES..old.len() - 1]), "{step}: the old wrapping key is gone");
    }
}

/// Where the key stands in its file.
const HEAD_BYTES: usize = "countersign/wrapping-key/v1 ".len();

#[test]
fn an_erasure_that_cannot_be_done_loses_nothing_and_can_be_done_later() {
    let place = Place::new();
    let vault = place.vault();
    let keys = subjects().map(|subject| vault.key(&subject).unwrap());
    vault.intend(act(1), &scope(None, None, Some("ann@example.test"))).unwrap();
    // Where the file is to be written there is a folder in the way.
    fs::create_dir_all(place.path("keys/wrapping.next/full")).unwrap();
    assert!(vault.erase(act(1)).is_err());
    assert_eq!(subjects().map(|subject| vault.find(&subject)), keys.map(Some));
    fs::remove_dir_all(place.path("keys/wrapping.next")).unwrap();
    assert!(vault.erase(act(1)).unwrap());
    assert_eq!(vault.find(&subjects()[1]), None);
    assert_eq!(vault.find(&subjects()[0]), Some(keys[0]));
}

#[test]
fn a_line_that_was_cut_off_is_left_out_and_damage_is_told() {
    let place = Place::new();
    let vault = place.vault();
    vault.key(&subjects()[0]).unwrap();
    let whole = fs::read(place.path("vault/keys")).unwrap();
    vault.key(&subjects()[1]).unwrap();
    let longer = fs::read(place.path("vault/keys")).unwrap();
    drop(vault);
    let mut zeros = longer.clone();
    zeros[whole.len()..].fill(0);
    for torn in [&longer[..longer.len() - 1], &longer[..whole.len() + 9], &zeros] {
        put(&place.path("vault/keys"), torn);
        let vault = place.vault();
        assert!(vault.find(&subjects()[0]).is_some() && vault.find(&subjects()[1]).is_none());
        let again = vault.key(&subjects()[1]).unwrap();
        assert_eq!(place.vault().find(&subjects()[1]), Some(again));
    }
    let mut damaged = longer.clone();
    let in_the_first_line = whole.len() - 9;
    damaged[in_the_first_line] ^= 1;
    put(&place.path("vault/keys"), &damaged);
    let told = place.open().unwrap_err().to_string();
    assert!(told.contains("vault/keys` is damaged: line 2 does not read"), "{told}");
}

#[test]
fn who_asks_again_is_told_from_another_and_not_where_a_key_may_be_gone() {
    let place = Place::new();
    let mut vault = place.vault();
    let at = |end_user, at| Subject { application: "search".into(), end_user, at };
    let now = Clock.now().plus_millis(1);
    let (ann, bob) = (Some("ann".to_owned()), Some("bob".to_owned()));
    let key = vault.key(&at(ann.clone(), now)).unwrap();
    assert_eq!(vault.told(&at(ann.clone(), now)), Found::Key(key));
    assert_eq!(vault.told(&at(bob.clone(), now)), Found::Never);
    let later = now.plus_millis(5);
    vault.key(&at(bob.clone(), later)).unwrap();
    assert_ne!(vault.told(&at(bob.clone(), now)), Found::Gone, "it is no key of another");
    std::thread::sleep(std::time::Duration::from_millis(10));
    vault.intend(act(1), &scope(None, None, Some("ann"))).unwrap();
    vault.erase(act(1)).unwrap();
    for _ in 0..2 {
        assert_eq!(vault.told(&at(ann.clone(), now)), Found::Gone);
        assert!(
            matches!(vault.told(&at(bob.clone(), later)), Found::Key(_)),
            "what is left is as good as before"
        );
        // A key that is made after the erasure is not the one of before.
        assert_ne!(vault.key(&at(ann.clone(), now)).unwrap(), key);
        vault = place.vault();
    }
}

#[test]
fn keys_that_lie_plain_are_wrapped_and_their_files_go() {
    let place = Place::new();
    fs::create_dir_all(place.path("vault/search")).unwrap();
    put(&place.path("vault/search/2026-05.key"), &[7; 32]);
    assert_eq!(place.vault().find(&of("search", None, "2026-05-09")), Some([7; 32]));
    assert!(!place.holds(&[7; 32]));
    assert!(!place.path("vault/search").exists());
}
