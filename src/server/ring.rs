//! The ring's optional features, as the environment masks them.
//!
//! Owns: `LOGMILL_RING_WITHOUT`, for tests and for a kernel whose feature is broken.
//! Leaves to others: what the kernel has (`io`).
//! Start reading at: [`settings`].
use crate::io::{Feature, Features, Settings};

const VARIABLE: &str = "LOGMILL_RING_WITHOUT";

/// Why the variable is not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{VARIABLE} names {name:?}, which is no optional feature of the ring; write `all`, or names \
     with commas between: {known}."
)]
pub struct MaskError {
    name: String,
    known: String,
}

/// The default settings without the features that the environment forbids.
pub fn settings() -> Result<Settings, MaskError> {
    let named = std::env::var(VARIABLE).unwrap_or_default();
    let features = without(&named)?;
    if features != Features::ALL {
        tracing::warn!(without = named, "the ring leaves out features that {VARIABLE} names");
    }
    Ok(Settings { features, ..Settings::default() })
}

fn without(named: &str) -> Result<Features, MaskError> {
    let names = named.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut features = Features::ALL;
    for name in names {
        if name == "all" {
            return Ok(Features::NONE);
        }
        let Some(feature) = Feature::ALL.iter().find(|feature| feature.name() == name) else {
            let known: Vec<&str> = Feature::ALL.iter().map(|feature| feature.name()).collect();
            return Err(MaskError { name: name.to_owned(), known: known.join(",") });
        };
        features = features.without(*feature);
    }
    Ok(features)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_left_out_by_name_and_a_wrong_name_is_told() {
        assert_eq!(without(""), Ok(Features::ALL));
        let one = without(" buf_ring, msg_ring").expect("both are names");
        assert!(!one.has(Feature::BufRing) && !one.has(Feature::MsgRing));
        assert!(one.has(Feature::MultishotAccept));
        assert_eq!(without("all"), Ok(Features::NONE));
        let error = without("bufring").expect_err("a wrong name").to_string();
        assert!(error.contains("\"bufring\"") && error.contains("buf_ring,"), "{error}");
    }
}
