//! The shared sorted map behaves like the library's.
use std::collections::BTreeMap;

use crate::base::Rng;
use crate::cluster::Ordered;

type Kept = (Ordered<u64, u64>, BTreeMap<u64, u64>);

/// Applying the differences to the older copy must give the newer one.
fn check_differences(before: &Kept, now: &Ordered<u64, u64>, model: &BTreeMap<u64, u64>) {
    let mut patched = before.1.clone();
    let mut reported = 0;
    let by_value = |map: &BTreeMap<u64, u64>, value: &u64| {
        map.iter().find(|(_, known)| *known == value).map(|(key, _)| *key).unwrap()
    };
    Ordered::differences(&before.0, now, |old, new| {
        reported += 1;
        old.map(|old| patched.remove(&by_value(&before.1, old)));
        new.map(|new| patched.insert(by_value(model, new), *new));
    });
    assert_eq!(patched, *model);
    let changed = model.iter().filter(|(key, value)| before.1.get(key) != Some(value)).count();
    assert!(changed <= reported);
}

#[test]
fn it_agrees_with_a_btreemap_and_copies_stay_as_they_were() {
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let mut map: Ordered<u64, u64> = Ordered::default();
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        let mut kept = (map.clone(), model.clone());
        for step in 0..2_000 {
            let key = rng.below(600);
            match rng.below(5) {
                0 | 1 => assert_eq!(map.remove(&key), model.remove(&key)),
                _ => assert_eq!(map.insert(key, step), model.insert(key, step)),
            }
            assert_eq!(map.get(&key), model.get(&key));
            assert_eq!(map.len(), model.len());
            if step % 50 == 0 {
                check_differences(&kept, &map, &model);
            }
            if step % 100 == 0 {
                let from = rng.below(620);
                assert!(map.iter().eq(model.iter()));
                assert!(map.iter_from(&from).eq(model.range(from..)));
                assert!(kept.0.iter().eq(kept.1.iter()), "a copy changed");
                kept = (map.clone(), model.clone());
            }
        }
    }
}
