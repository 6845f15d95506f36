//! What all messages have in common, and the tables over them.
//!
//! Owns: [`Message`], the row types of the generated tables ([`Api`], [`Codec`]), header versions.
//! Leaves to others: the rows (`generated::APIS`, `generated::CODECS`).
//! Start reading at: [`Message`].
use std::ops::RangeInclusive;

use super::protocol::{decode_whole, encode_whole};
use super::{Reader, Wire, WireError, Writer, generated};
use crate::base::Bytes;

/// A message of Kafka's protocol or a record schema.
pub trait Message: Wire + Default {
    /// API key of a request or response, record type of a coordinator record, else -1.
    const KEY: i16;
    const VERSIONS: RangeInclusive<i16>;
    /// First version with compact lengths and tagged fields; `i16::MAX` when there is none.
    const FLEXIBLE_FROM: i16;

    /// Reads the message and leaves the reader behind it; what follows is the caller's to judge.
    fn decode(r: &mut Reader, version: i16) -> Result<Self, WireError> {
        check_version::<Self>(version)?;
        r.set_flexible(Self::FLEXIBLE_FROM <= version);
        Self::read(r, version)
    }

    /// Errors: also when a field is set that `version` lacks, unless Kafka calls it ignorable.
    fn encode(&self, w: &mut Writer, version: i16) -> Result<(), WireError> {
        check_version::<Self>(version)?;
        w.set_flexible(Self::FLEXIBLE_FROM <= version);
        self.write(w, version)
    }
}

fn check_version<M: Message>(version: i16) -> Result<(), WireError> {
    match M::VERSIONS.contains(&version) {
        true => Ok(()),
        false => Err(WireError::Version { message: std::any::type_name::<M>(), version }),
    }
}

/// One API key: a request and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    pub key: i16,
    /// Kafka's name, as in `Fetch`.
    pub name: &'static str,
    pub version_min: i16,
    pub version_max: i16,
    /// First flexible version; `i16::MAX` when there is none.
    pub flexible_from: i16,
    /// Kafka hides `version_max` until it is told to show unstable versions.
    pub latest_unstable: bool,
    /// Kafka's brokers answer it.
    pub broker: bool,
    /// Kafka's controllers answer it.
    pub controller: bool,
}

const API_VERSIONS_KEY: i16 = 18;

impl Api {
    /// The API with that key, if it has a valid version.
    pub fn find(key: i16) -> Option<&'static Self> {
        let at = generated::APIS.binary_search_by_key(&key, |api| api.key).ok()?;
        Some(&generated::APIS[at])
    }

    pub fn has_version(&self, version: i16) -> bool {
        (self.version_min..=self.version_max).contains(&version)
    }

    /// Also for versions that do not exist yet, since a header must be readable to refuse them.
    pub fn request_header_version(&self, version: i16) -> i16 {
        if self.flexible_from <= version { 2 } else { 1 }
    }

    /// ApiVersions always answers with version 0, which a client can read before it knows us.
    pub fn response_header_version(&self, version: i16) -> i16 {
        if self.flexible_from <= version && self.key != API_VERSIONS_KEY { 1 } else { 0 }
    }
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Request,
    Response,
    RecordKey,
    RecordValue,
    Data,
    Header,
}

/// One message as a value, for tools and tests that go over all of them.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    pub name: &'static str,
    pub kind: Kind,
    pub key: i16,
    pub version_min: i16,
    pub version_max: i16,
    pub flexible_from: i16,
    /// Decodes one whole message of the first version and encodes it in the second.
    pub transcode: fn(&Bytes, i16, i16) -> Result<Bytes, WireError>,
    /// Encodes the message that has Kafka's default in every field.
    pub encode_default: fn(i16) -> Result<Bytes, WireError>,
}

impl Codec {
    pub const fn of<M: Message>(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            key: M::KEY,
            version_min: *M::VERSIONS.start(),
            version_max: *M::VERSIONS.end(),
            flexible_from: M::FLEXIBLE_FROM,
            transcode: transcode::<M>,
            encode_default: encode_default::<M>,
        }
    }

    /// Decodes one whole message of that version and encodes it again.
    pub fn recode(&self, bytes: &Bytes, version: i16) -> Result<Bytes, WireError> {
        (self.transcode)(bytes, version, version)
    }

    pub fn find(name: &str) -> Option<&'static Self> {
        generated::CODECS.iter().find(|codec| codec.name == name)
    }
}

fn transcode<M: Message>(bytes: &Bytes, from: i16, to: i16) -> Result<Bytes, WireError> {
    encode_whole(&decode_whole::<M>(bytes, from)?, to)
}

fn encode_default<M: Message>(version: i16) -> Result<Bytes, WireError> {
    encode_whole(&M::default(), version)
}
