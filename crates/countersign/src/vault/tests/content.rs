//! Content in the vault: where it lies, and that it goes with its key.

use super::*;
use crate::vault::blob::{Part, SEGMENT};
use partnership::act::Digest;

fn keep(vault: &Vault, subject: &Subject, (id, part): (ActId, Part), content: &[u8]) -> Option<Digest> {
    let key = vault.key(subject).unwrap();
    let mut writing = vault.writing(&key, id, part).unwrap();
    content.chunks(1_000).for_each(|piece| writing.add(piece).unwrap());
    vault.keep(subject, &key, writing).unwrap()
}

fn given(vault: &Vault, subject: &Subject, (id, part): (ActId, Part), kept: Digest) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut blob = vault.blob((id, part), &subject.application, kept).unwrap()?;
    let digest = blob.open(|piece| {
        content.extend_from_slice(piece);
        Ok(())
    });
    assert_eq!(digest.unwrap(), kept);
    Some(content)
}

fn act_of(subject: &Subject) -> ActId {
    ActId::from_u128((u128::from(subject.at.as_millis().unsigned_abs()) << 80) | (7 << 76) | (2 << 62))
}

#[test]
fn content_lies_sealed_in_its_keys_folder_and_no_two_blobs_are_alike() {
    let place = Place::new();
    let vault = place.vault();
    let content: Vec<u8> = b"what was said ".iter().copied().cycle().take(2 * SEGMENT + 9).collect();
    let mut all = BTreeSet::new();
    for subject in &subjects() {
        for part in [Part::Input, Part::Output] {
            let of = (act_of(subject), part);
            let kept = keep(&vault, subject, of, &content).unwrap();
            assert!(all.insert(kept.0), "{subject:?}");
            assert_eq!(given(&place.vault(), subject, of, kept).unwrap(), content);
        }
    }
    assert!(!place.holds(b"what was said"));
    let folders = vault.contents.folders().unwrap();
    assert_eq!(folders.len(), subjects().len());
    // The same again, as where a call is proposed once more, is the same blob.
    let of = (act_of(&subjects()[0]), Part::Input);
    let again = keep(&vault, &subjects()[0], of, &content).unwrap();
    assert!(!all.insert(again.0));
    vault.unkeep(&vault.key(&subjects()[0]).unwrap(), again).unwrap();
    assert_eq!(given(&vault, &subjects()[0], of, again), None);
    vault.unkeep(&vault.key(&subjects()[0]).unwrap(), again).unwrap();
}

#[test]
fn content_goes_with_its_key_wherever_the_erasure_is_cut_off_and_is_told_by_which_act() {
    let place = Place::new();
    let vault = place.vault();
    let of = |subject: &Subject| (act_of(subject), Part::Output);
    let kept: Vec<_> =
        subjects().iter().map(|subject| keep(&vault, subject, of(subject), b"said").unwrap()).collect();
    vault.intend(act(1), &scope(None, None, Some("ann@example.test"))).unwrap();
    let before = place.copied();
    vault.erase(act(1)).unwrap();
    // Cut off before the folders went.
    let cut = before.copied();
    for name in ["keys/wrapping", "vault/keys", "vault/erased"] {
        fs::copy(place.path(name), cut.path(name)).unwrap();
    }
    for vault in [vault, cut.vault(), place.vault()] {
        let all = subjects();
        let there = all.iter().zip(&kept).map(|(s, kept)| given(&vault, s, of(s), *kept).is_some());
        assert_eq!(there.collect::<Vec<_>>(), [true, false, false, true, false]);
        assert_eq!(vault.contents.folders().unwrap().len(), 2);
        let acts = |n: usize, end_user| {
            let Subject { application, at, .. } = &all[n];
            let erased = vault.erased(application, *at, end_user).unwrap();
            erased.into_iter().map(|(act, _)| act).collect::<Vec<_>>()
        };
        assert_eq!((acts(1, true), acts(2, true), acts(4, true)), (vec![act(1)], vec![act(1)], vec![act(1)]));
        assert_eq!((acts(0, false), acts(3, true)), (vec![], vec![]));
        vault.erase(act(1)).unwrap();
        assert_eq!(acts(1, true), [act(1)], "once is enough");
    }
}

#[test]
fn content_whose_key_goes_while_it_is_written_is_not_kept() {
    let place = Place::new();
    let vault = place.vault();
    let subject = &subjects()[1];
    let key = vault.key(subject).unwrap();
    let mut writing = vault.writing(&key, act(7), Part::Output).unwrap();
    writing.add(b"said").unwrap();
    vault.intend(act(1), &scope(None, None, Some("ann@example.test"))).unwrap();
    vault.erase(act(1)).unwrap();
    assert_eq!(vault.keep(subject, &key, writing).unwrap(), None);
    assert!(vault.contents.folders().unwrap().is_empty());
    // One that is dropped leaves nothing, and one that is cut off nothing after the next start.
    drop(vault.writing(&key, act(8), Part::Output).unwrap());
    let staged = || fs::read_dir(place.path("vault/content/staged")).unwrap().count();
    assert_eq!(staged(), 0);
    std::mem::forget(vault.writing(&key, act(8), Part::Output).unwrap());
    assert_eq!(staged(), 1);
    drop(place.vault());
    assert_eq!(staged(), 0);
}

#[test]
fn content_is_not_taken_for_erased_where_the_file_of_keys_is_missing() {
    let place = Place::new();
    let subject = &subjects()[0];
    let of = (act_of(subject), Part::Input);
    let kept = keep(&place.vault(), subject, of, b"said").unwrap();
    fs::copy(place.path("vault/keys"), place.path("aside")).unwrap();
    fs::remove_file(place.path("vault/keys")).unwrap();
    let told = place.open().unwrap_err().to_string();
    assert!(told.contains("vault/keys` is missing"), "{told}");
    fs::copy(place.path("aside"), place.path("vault/keys")).unwrap();
    assert_eq!(given(&place.vault(), subject, of, kept).unwrap(), b"said");
}

#[test]
fn after_content_could_not_be_kept_a_segment_must_be_written_first() {
    let place = Place::new();
    let vault = place.vault();
    vault.unstick().unwrap();
    assert!(!place.path("vault/content").exists(), "nothing is tried while all is well");
    vault.stick();
    put(&place.path("vault/content"), b"in the way");
    assert!(vault.unstick().is_err() && vault.unstick().is_err());
    fs::remove_file(place.path("vault/content")).unwrap();
    vault.unstick().unwrap();
    assert!(vault.contents.folders().unwrap().is_empty());
    put(&place.path("vault/content/staged/left"), b"");
    vault.unstick().unwrap();
}
