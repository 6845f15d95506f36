//! Which API keys and versions are advertised: the highest whose meaning is whole.
//!
//! Invariant: a version is listed only when every field of it does what Kafka says.
//! Source: Kafka protocol guide; KIP-896 for the lowest.

/// One advertised key. Lowest and highest version, both served.
#[derive(Clone, Copy, Debug)]
pub struct Advertised {
    pub key: i16,
    pub low: i16,
    pub high: i16,
}

const fn api(key: i16, low: i16, high: i16) -> Advertised {
    Advertised { key, low, high }
}

/// In the order of keys. Produce is listed from 0 (see `k18_api_versions`) but served from 3.
pub const ADVERTISED: &[Advertised] = &[
    api(0, 3, 13),
    api(1, 4, 18),
    api(2, 1, 11),
    api(3, 0, 13),
    api(8, 2, 10),
    api(9, 1, 10),
    api(10, 0, 6),
    api(11, 0, 9),
    api(12, 0, 4),
    api(13, 0, 5),
    api(14, 0, 5),
    api(15, 0, 6),
    api(16, 0, 5),
    api(18, 0, 5),
    api(19, 2, 7),
    api(20, 1, 6),
    api(21, 0, 2),
    api(22, 0, 5),
    api(23, 2, 4),
    api(32, 1, 4),
    api(35, 1, 5),
    api(37, 0, 3),
    api(44, 0, 1),
    api(46, 0, 0),
    api(60, 0, 2),
    api(75, 0, 0),
];

pub fn is_advertised(key: i16, version: i16) -> bool {
    let found = ADVERTISED.binary_search_by_key(&key, |api| api.key);
    found.is_ok_and(|at| (ADVERTISED[at].low..=ADVERTISED[at].high).contains(&version))
}
