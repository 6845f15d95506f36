//! Bytes that nobody meant: errors only, bounded memory, and every decoder reached.
use std::collections::BTreeMap;

use super::super::generated::{APIS, CODECS};
use super::super::protocol::decode_request_header;
use super::super::reader::{MEMORY_BASE, MEMORY_PER_BYTE_MAX};
use super::super::*;
use super::file::{Damage, Golden};
use super::goldens::goldens;
use crate::base::{Bytes, Rng, probe};

/// Frames of one run.
const FRAMES: usize = 240_000;

/// What became of the frames of one decoder.
#[derive(Default)]
struct Reached {
    read: usize,
    refused: usize,
}

type Tally = BTreeMap<&'static str, Reached>;

#[test]
fn hostile_bytes_give_errors_and_bounded_memory() {
    let goldens = goldens();
    let mut rng = Rng::new(20_260_801);
    let mut damage = Damage { below: |count| rng.below(count) };
    let (mut bodies, mut requests) = (Tally::new(), Tally::new());
    let (mut damaged, mut unknown) = (0, 0);
    for round in 0..FRAMES {
        let golden = &goldens[round * 7 % goldens.len()];
        let other = &goldens[(damage.below)(goldens.len() as u64) as usize];
        let codec = Codec::find(&golden.name).expect("every golden has a codec");
        if round % 8 == 7 {
            check_body(codec, golden.version, damage.noise(200), &mut bodies);
        } else if round % 4 == 3 {
            let frame = request(golden, codec, &mut damage, &other.bytes);
            damaged += 1;
            unknown += usize::from(!check_request(frame, &mut requests));
        } else {
            damaged += 1;
            let bytes = damage.frame(&golden.bytes, &other.bytes);
            check_body(codec, golden.version, bytes, &mut bodies);
        }
    }
    assert!(FRAMES <= 2 * damaged, "at least half are made of goldens");
    report("decoders", &bodies, CODECS.len());
    report("requests by header", &requests, APIS.len());
    println!("{unknown} frames had a header without an API or without that version");
}

/// A damaged request frame: the golden behind a header, or for other goldens a random key.
fn request(
    golden: &Golden,
    codec: &Codec,
    damage: &mut Damage<impl FnMut(u64) -> u64>,
    other: &[u8],
) -> Vec<u8> {
    let api = match codec.kind {
        Kind::Request => Api::find(codec.key).expect("a request has an API"),
        _ => &APIS[(damage.below)(APIS.len() as u64) as usize],
    };
    let header = generated::request_header::RequestHeader {
        request_api_key: api.key,
        request_api_version: golden.version.clamp(api.version_min, api.version_max),
        correlation_id: 1,
        client_id: Some("hostile".to_owned()),
    };
    let mut writer = Writer::new();
    let version = api.request_header_version(header.request_api_version);
    header.encode(&mut writer, version).expect("a good header");
    writer.copy(&golden.bytes);
    damage.frame(&writer.into_bytes(), other)
}

/// Reads the header as the broker does, then the body; false when no decoder is responsible.
fn check_request(frame: Vec<u8>, tally: &mut Tally) -> bool {
    let frame = Bytes::from(frame);
    let Ok((header, reader)) = decode_request_header(&frame) else { return false };
    let (key, version) = (header.request_api_key, header.request_api_version);
    let api = Api::find(key).expect("a header is read for known keys only");
    if !api.has_version(version) {
        return false;
    }
    let codec = Codec::find(&format!("{}Request", api.name)).expect("an API has a request");
    check_body(codec, version, reader.rest().to_vec(), tally);
    true
}

fn check_body(codec: &'static Codec, version: i16, bytes: Vec<u8>, tally: &mut Tally) {
    let bytes = Bytes::from(bytes);
    let (result, peak) = probe::peak_bytes(|| codec.recode(&bytes, version));
    // A vector grows to twice its need, and the frame is written once more.
    let bytes_max = (2 * MEMORY_PER_BYTE_MAX + 8) * bytes.len() + 2 * MEMORY_BASE;
    assert!(peak <= bytes_max, "{} v{version}: {peak} for {bytes:x?}", codec.name);
    let reached = tally.entry(codec.name).or_default();
    match result {
        Err(_) => reached.refused += 1,
        Ok(again) => {
            reached.read += 1;
            assert_eq!(codec.recode(&again, version).as_ref(), Ok(&again), "{}", codec.name);
        }
    }
}

fn report(what: &str, tally: &Tally, all: usize) {
    let read: usize = tally.values().map(|reached| reached.read).sum();
    let refused: usize = tally.values().map(|reached| reached.refused).sum();
    println!("{what}: {} of {all} reached; {read} frames read, {refused} refused", tally.len());
    let fewest = tally.iter().min_by_key(|(_, reached)| reached.read + reached.refused);
    if let Some((name, Reached { read, refused })) = fewest {
        println!("fewest frames: {name}, {read} read, {refused} refused");
    }
    assert_eq!(tally.len(), all, "every decoder is reached");
    for (name, reached) in tally {
        assert!(0 < reached.read && 0 < reached.refused, "{name}: only one kind of answer");
    }
}

#[test]
fn a_claimed_length_of_two_billion_reserves_next_to_nothing() {
    let mut frames = 0;
    for golden in goldens().iter().filter(|golden| !golden.is_default).step_by(3) {
        let codec = Codec::find(&golden.name).expect("every golden has a codec");
        let claims: [&[u8]; 2] = [&[0x7f, 0xff, 0xff, 0xff], &[0xff, 0xff, 0xff, 0xff, 0x07]];
        for at in (0..golden.bytes.len()).take(100) {
            let mut bytes = golden.bytes.clone();
            let claim = claims[usize::from(codec.flexible_from <= golden.version)];
            let end = bytes.len().min(at + claim.len());
            bytes.splice(at..end, claim.iter().copied());
            let bytes = Bytes::from(bytes);
            let (_, peak) = probe::peak_bytes(|| codec.recode(&bytes, golden.version));
            assert!(peak < 64 * 1024, "{} v{}: {peak}", golden.name, golden.version);
            frames += 1;
        }
    }
    assert!(50_000 < frames);
}

#[test]
fn every_golden_that_is_cut_short_is_refused() {
    for golden in goldens().iter().step_by(5) {
        let codec = Codec::find(&golden.name).expect("every golden has a codec");
        let bytes = Bytes::from(golden.bytes.clone());
        for end in 0..bytes.len().min(120) {
            let result = codec.recode(&bytes.slice(..end), golden.version);
            assert!(result.is_err(), "{} v{} cut at {end}", golden.name, golden.version);
        }
    }
}
