//! Frames, headers, and values that carry their version in front.
//!
//! Owns: which header version goes with which request, the length in front of a frame, the i16 in
//! front of coordinator records and consumer metadata.
//! Leaves to others: reading whole frames from a socket, the largest frame (`shard`).
//! Start reading at: [`decode_request_header`], [`frame_response`].
//! Source: protocol guide, "Request and Response Headers"; KIP-482, KIP-511.
use super::generated::request_header::RequestHeader;
use super::generated::response_header::ResponseHeader;
use super::{Api, Message, Reader, WireError, Writer};
use crate::base::Bytes;

/// Reads the header of one request frame (without its length) and leaves the reader at the body.
///
/// The version may be one that the API does not have: whether it is answered is for the caller.
/// Errors: [`WireError::UnknownApi`] for a key without a valid version.
pub fn decode_request_header(frame: &Bytes) -> Result<(RequestHeader, Reader), WireError> {
    let mut reader = Reader::new(frame.clone());
    let key: i16 = reader.clone().get(0)?;
    let mut ahead = reader.clone();
    ahead.take(2)?;
    let version: i16 = ahead.get(0)?;
    let api = Api::find(key).ok_or(WireError::UnknownApi { key, version })?;
    let header = RequestHeader::decode(&mut reader, api.request_header_version(version))?;
    Ok((header, reader))
}

/// Reads the header of one response frame (without its length) to a request of that version.
pub fn decode_response_header(
    frame: &Bytes,
    key: i16,
    version: i16,
) -> Result<(ResponseHeader, Reader), WireError> {
    let api = Api::find(key).ok_or(WireError::UnknownApi { key, version })?;
    let mut reader = Reader::new(frame.clone());
    let header = ResponseHeader::decode(&mut reader, api.response_header_version(version))?;
    Ok((header, reader))
}

/// Reads a message of which the bytes are all.
///
/// Errors: [`WireError::Trailing`] when bytes follow it.
pub fn decode_whole<M: Message>(bytes: &Bytes, version: i16) -> Result<M, WireError> {
    let mut reader = Reader::new(bytes.clone());
    let message = M::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(message)
}

/// A message alone, without length or header.
pub fn encode_whole<M: Message>(message: &M, version: i16) -> Result<Bytes, WireError> {
    let mut writer = Writer::new();
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}

/// A response ready for a gathered send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    pub slices: Vec<Bytes>,
    /// Error codes in it, of the whole answer and of its parts, and how often each.
    pub errors: Vec<(i16, u64)>,
}

/// One response with its length and header in front.
///
/// `header_version` is [`Api::response_header_version`].
pub fn frame_response<M: Message>(
    correlation_id: i32,
    header_version: i16,
    message: &M,
    version: i16,
) -> Result<Framed, WireError> {
    let mut writer = Writer::for_frame();
    ResponseHeader { correlation_id }.encode(&mut writer, header_version)?;
    message.encode(&mut writer, version)?;
    let errors = writer.errors().to_vec();
    Ok(Framed { slices: writer.into_frame()?, errors })
}

/// One request with its length and header in front, as a client sends it.
///
/// Errors: [`WireError::UnknownApi`] when `M` is no request.
pub fn frame_request<M: Message>(
    correlation_id: i32,
    client_id: Option<&str>,
    message: &M,
    version: i16,
) -> Result<Vec<Bytes>, WireError> {
    let api = Api::find(M::KEY).ok_or(WireError::UnknownApi { key: M::KEY, version })?;
    let header = RequestHeader {
        request_api_key: M::KEY,
        request_api_version: version,
        correlation_id,
        client_id: client_id.map(str::to_owned),
    };
    let mut writer = Writer::for_frame();
    header.encode(&mut writer, api.request_header_version(version))?;
    message.encode(&mut writer, version)?;
    writer.into_frame()
}

/// The number in front of a coordinator's record key: its record type.
pub fn record_type(key: &Bytes) -> Result<i16, WireError> {
    Reader::new(key.clone()).get(0)
}

/// Reads an i16 version and then a message of that version, to the last byte.
///
/// For values of coordinator records. In their keys the i16 is the record type instead: see
/// [`read_record_key`].
pub fn read_versioned_value<M: Message>(bytes: &Bytes) -> Result<M, WireError> {
    let mut reader = Reader::new(bytes.clone());
    let version = reader.get(0)?;
    let message = M::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(message)
}

/// Reads a consumer's subscription or assignment, as Kafka does: a newer version than we know is
/// read as the newest that we know, and what follows is ignored. Returns the version that it said.
pub fn read_versioned_value_leniently<M: Message>(bytes: &Bytes) -> Result<(i16, M), WireError> {
    let mut reader = Reader::new(bytes.clone());
    let version: i16 = reader.get(0)?;
    let message = M::decode(&mut reader, version.min(*M::VERSIONS.end()))?;
    Ok((version, message))
}

/// Writes the version and then the message.
pub fn write_versioned_value<M: Message>(message: &M, version: i16) -> Result<Bytes, WireError> {
    let mut writer = Writer::new();
    writer.put(&version, 0)?;
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}

/// Reads a coordinator's record key: its record type, which must be that of `M`, then version 0.
pub fn read_record_key<M: Message>(bytes: &Bytes) -> Result<M, WireError> {
    let mut reader = Reader::new(bytes.clone());
    let version: i16 = reader.get(0)?;
    if version != M::KEY {
        return Err(WireError::Version { message: std::any::type_name::<M>(), version });
    }
    let message = M::decode(&mut reader, 0)?;
    reader.finish()?;
    Ok(message)
}

/// Writes a coordinator's record key: its record type, then version 0.
pub fn write_record_key<M: Message>(message: &M) -> Result<Bytes, WireError> {
    let mut writer = Writer::new();
    writer.put(&M::KEY, 0)?;
    message.encode(&mut writer, 0)?;
    Ok(writer.into_bytes())
}
