//! Every golden of Apache Kafka's library is read whole and written as the same bytes.
use super::super::generated::{APIS, CODECS};
use super::super::*;
use super::file::{Golden, load, load_transcodes};
use crate::base::Bytes;
use crate::model::ErrorCode;

const MESSAGES: &[u8] = include_bytes!("../../../tests/goldens/messages.bin.gz");
const TRANSCODES: &[u8] = include_bytes!("../../../tests/goldens/transcodes.bin.gz");
const KAFKA_APIS: &str = include_str!("../../../tests/goldens/apis.txt");
const KAFKA_ERRORS: &str = include_str!("../../../tests/goldens/errors.txt");

pub fn goldens() -> Vec<Golden> {
    load(MESSAGES)
}

#[test]
fn every_golden_is_read_and_written_as_the_same_bytes() {
    for golden in goldens() {
        let codec = Codec::find(&golden.name).expect("Kafka has no message that we lack");
        let bytes = Bytes::from(golden.bytes);
        let again = codec.recode(&bytes, golden.version);
        assert_eq!(again.as_ref(), Ok(&bytes), "{} v{}", golden.name, golden.version);
    }
}

#[test]
fn every_version_of_every_message_has_goldens() {
    let goldens = goldens();
    for codec in &CODECS {
        for version in codec.version_min..=codec.version_max {
            let same = |golden: &&Golden| golden.name == codec.name && golden.version == version;
            let count = goldens.iter().filter(same).count();
            assert!(10 <= count, "{} v{version} has {count} goldens", codec.name);
        }
    }
    let known = |golden: &Golden| {
        let codec = Codec::find(&golden.name).expect("Kafka has no message that we lack");
        (codec.version_min..=codec.version_max).contains(&golden.version)
    };
    assert!(goldens.iter().all(known));
}

#[test]
fn our_defaults_are_kafkas() {
    let goldens = goldens();
    for codec in &CODECS {
        for version in codec.version_min..=codec.version_max {
            let same = |golden: &&Golden| {
                golden.is_default && golden.name == codec.name && golden.version == version
            };
            let want = goldens.iter().find(same).map(|golden| Bytes::from(golden.bytes.clone()));
            let ours = (codec.encode_default)(version);
            assert_eq!(ours.clone().ok(), want, "{} v{version}: {ours:?}", codec.name);
        }
    }
}

#[test]
fn a_field_that_a_version_lacks_is_dropped_or_refused_as_kafka_does() {
    let (mut written, mut refused) = (0, 0);
    for source in load_transcodes(TRANSCODES) {
        let codec = Codec::find(&source.name).expect("Kafka has no message that we lack");
        let bytes = Bytes::from(source.bytes);
        for (version, want) in source.targets {
            let ours = (codec.transcode)(&bytes, source.version, version);
            let want = want.map(Bytes::from);
            assert_eq!(ours.clone().ok(), want, "{} to v{version}: {ours:?}", source.name);
            *(if ours.is_ok() { &mut written } else { &mut refused }) += 1;
        }
    }
    assert!(9_000 < written && 1_000 < refused, "{written} written, {refused} refused");
}

#[test]
fn no_version_before_the_first_or_after_the_last_is_read() {
    for codec in &CODECS {
        for version in [i16::MIN, codec.version_min - 1, codec.version_max + 1, i16::MAX] {
            let error = codec.recode(&Bytes::from(vec![0; 64]), version).unwrap_err();
            assert!(matches!(error, WireError::Version { .. }), "{} v{version}", codec.name);
        }
    }
}

#[test]
fn the_table_of_apis_is_kafkas() {
    let mut lines = String::new();
    for api in &APIS {
        for version in api.version_min..=api.version_max {
            let stable = match api.latest_unstable && version == api.version_max {
                true => "unstable",
                false => "stable",
            };
            let request = api.request_header_version(version);
            let response = api.response_header_version(version);
            let (key, name) = (api.key, api.name);
            lines += &format!("{key} {name} {version} {request} {response} {stable}\n");
        }
    }
    for (ours, kafka) in lines.lines().zip(KAFKA_APIS.lines()) {
        assert_eq!(ours, kafka);
    }
    assert_eq!(lines.lines().count(), KAFKA_APIS.lines().count());
}

#[test]
fn the_table_of_error_codes_is_kafkas() {
    let mut count = 0;
    for line in KAFKA_ERRORS.lines() {
        let (code, name) = line.split_once(' ').expect("a code and a name");
        let code: i16 = code.parse().expect("a code is a number");
        let ours = ErrorCode::from_code(code).unwrap_or_else(|| panic!("we lack {line}"));
        assert_eq!((ours.kafka_name(), ours.code()), (name, code));
        let letters = |text: &str| text.replace('_', "").to_lowercase();
        assert_eq!(letters(&format!("{ours:?}")), letters(name), "the variant is Kafka's name");
        count += 1;
    }
    let ours = (i16::MIN..=i16::MAX).filter(|code| ErrorCode::from_code(*code).is_some());
    assert_eq!(ours.count(), count, "we have no code that Kafka lacks");
}
