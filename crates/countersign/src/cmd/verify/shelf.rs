//! Where a replay puts the ids of acts that are long over: a file without a name in the folder for temporary files, gone with the
//! process. Not a cache: it holds nothing that the record does not.

use crate::files;
use replay::Shelf;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

/// How long an id is. Units: bytes.
const ID_BYTES: u64 = 16;

/// A shelf that makes its file when something is put there first.
pub(super) fn new() -> Arc<dyn Shelf> {
    Arc::new(InFile::default())
}

#[derive(Debug, Default)]
struct InFile(Mutex<Option<Open>>);

/// The file, and how many ids it has.
#[derive(Debug)]
struct Open {
    file: File,
    ids: u64,
}

impl Shelf for InFile {
    fn put(&self, ids: &[u128]) -> io::Result<u64> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match &mut *open {
            Some(open) => open,
            none => none.insert(Open { file: files::unnamed()?, ids: 0 }),
        };
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
        let place = open.ids;
        open.file.write_all_at(&bytes, place.saturating_mul(ID_BYTES))?;
        open.ids = place.saturating_add(ids.len() as u64);
        Ok(place)
    }

    fn take(&self, place: u64, ids: &mut [u128]) -> io::Result<()> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![[0; 16]; ids.len()];
        open.file.read_exact_at(bytes.as_flattened_mut(), place.saturating_mul(ID_BYTES))?;
        ids.iter_mut().zip(bytes).for_each(|(id, bytes)| *id = u128::from_be_bytes(bytes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_on_the_shelf_is_given_back_from_any_place() {
        let shelf = new();
        assert!(shelf.take(0, &mut [0]).is_err(), "nothing is there");
        assert_eq!(shelf.put(&[1, 2, u128::MAX]).unwrap(), 0);
        assert_eq!(shelf.put(&[4, 5]).unwrap(), 3);
        let mut ids = [0; 3];
        shelf.take(1, &mut ids).unwrap();
        assert_eq!(ids, [2, u128::MAX, 4]);
        assert!(shelf.take(4, &mut [0; 2]).is_err(), "there are no more than were put there");
    }
}
