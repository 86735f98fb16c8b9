use super::*;
use std::sync::Mutex;

/// Which id comes at each place.
type Order = Box<dyn Fn(u128) -> u128>;

/// A shelf in memory, which may have no room or lose what it holds.
#[derive(Debug, Default)]
struct Board {
    ids: Mutex<Vec<u128>>,
    is_full: bool,
    is_lost: bool,
}

impl Shelf for Board {
    fn put(&self, ids: &[u128]) -> io::Result<u64> {
        let mut all = self.ids.lock().unwrap();
        if self.is_full {
            return Err(io::Error::other("full"));
        }
        let place = all.len() as u64;
        all.extend(ids);
        Ok(place)
    }

    fn take(&self, place: u64, ids: &mut [u128]) -> io::Result<()> {
        let place = usize::try_from(place).unwrap();
        if self.is_lost {
            return Err(io::Error::other("lost"));
        }
        ids.copy_from_slice(&self.ids.lock().unwrap()[place..][..ids.len()]);
        Ok(())
    }
}

fn shelves() -> [Option<Arc<dyn Shelf>>; 3] {
    [None, Some(Arc::new(Board::default())), Some(Arc::new(Board { is_full: true, ..Board::default() }))]
}

#[test]
fn an_id_is_new_once_in_whatever_order_they_come() {
    let mut step = 1_u128;
    let orders: [(u128, Order); 6] = [
        (20_000, Box::new(|n| n)),
        (20_000, Box::new(|n| 100_000 - n)),
        (20_000, Box::new(|n| (n / 8) * 1000 + (n * 7919) % 1000)),
        (20_000, Box::new(|n| (n * 48_271) % 65_537)),
        // So many that runs are put away: in order, and the first half after the second.
        (600_000, Box::new(|n| n * 3)),
        (600_000, Box::new(|n| if n < 300_000 { 1_000_000 + n } else { (n * 48_271) % 600_011 })),
    ];
    for (count, order) in &orders {
        for shelf in shelves() {
            let (mut seen, mut plain) = (Seen::on(shelf), BTreeSet::new());
            for n in 0..*count {
                let id = order(n);
                assert_eq!(seen.insert(id), plain.insert(id), "{id}");
                step = (step * 48_271) % 2_147_483_647;
                let before = order(step % (n + 1));
                assert!(!seen.insert(before), "{before} was there");
            }
            assert!(!seen.is_blind());
            let mut all = BTreeSet::new();
            let (mut again, mut part) = (Seen::on(Some(Arc::new(Board::default()))), Vec::new());
            let mut last = Part::Run;
            seen.pieces(|of, is_first, ids| {
                if is_first && !part.is_empty() {
                    again.take_over(last, std::mem::take(&mut part)).unwrap();
                }
                last = of;
                part.extend_from_slice(ids);
                all.extend(ids.iter().copied());
                Ok(())
            })
            .unwrap();
            again.take_over(last, part).unwrap();
            assert_eq!(all, plain, "each id is in one part");
            assert!(plain.iter().step_by(97).all(|id| !again.insert(*id)), "what was taken over is known");
        }
    }
}

#[test]
fn ids_that_are_on_the_shelf_are_in_no_memory() {
    let mut seen = Seen::on(Some(Arc::new(Board::default())));
    (0..1_000_000).for_each(|id| assert!(seen.insert(id)));
    assert!(seen.row.len() <= Seen::PART_MAX && seen.runs.len() > 5);
    assert!(seen.runs.iter().all(|run| matches!(run.ids, Ids::Shelved(_))));
}

#[test]
fn a_shelf_that_fails_is_told_of_and_accuses_nobody() {
    let mut seen = Seen::on(Some(Arc::new(Board { is_lost: true, ..Board::default() })));
    (0..400_000).for_each(|id| assert!(seen.insert(id * 2)));
    assert!(!seen.is_blind());
    assert!(seen.insert(1001), "nobody can tell, so nobody is accused");
    assert!(seen.is_blind());
    assert!(seen.pieces(|_, _, _| Ok(())).is_err());
}

#[test]
fn ids_out_of_order_are_not_taken_over() {
    assert_eq!(Seen::default().take_over(Part::Row, vec![1, 1]), None);
    assert_eq!(Seen::default().take_over(Part::Run, vec![2, 1]), None);
}
