//! The shared sorted map behaves like the library's.
use std::collections::BTreeMap;

use crate::base::Rng;
use crate::cluster::Ordered;

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
