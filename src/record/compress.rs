//! The five ways to store a body: none, gzip, snappy, lz4, zstd.
//!
//! Owns: codec numbers, both directions, the bound on what comes out.
//! Invariant: decompression never holds more than the caller's bound (plus one window).
//! Start reading at: [`decompress`].
use std::io::{Read, Write};

use crate::record::snappy;

/// How a body is compressed; the numbers are Kafka's attribute bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Why a body could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("more than {max} bytes come out")]
    TooLarge { max: usize },
    #[error("{codec:?} data is broken: {why}")]
    Broken { codec: Codec, why: String },
    #[error("codec {id} is unknown")]
    Unknown { id: i16 },
}

impl Codec {
    pub fn from_id(id: i16) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    pub fn id(self) -> i16 {
        self as i16
    }

    /// Kafka's name, as in `compression.type`.
    pub fn kafka_name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    fn broken(self, why: impl std::fmt::Display) -> CodecError {
        CodecError::Broken { codec: self, why: why.to_string() }
    }
}

/// Compresses one body. `level` as in `compression.gzip.level` and its like; `None`: the codec's
/// own default, which for lz4 is its fast mode.
pub fn compress(codec: Codec, body: &[u8], level: Option<i32>) -> Result<Vec<u8>, CodecError> {
    match codec {
        Codec::None => Ok(body.to_vec()),
        Codec::Gzip => {
            let level = level.and_then(|level| u32::try_from(level).ok());
            let level = level.map_or(flate2::Compression::default(), |level| {
                flate2::Compression::new(level.clamp(1, 9))
            });
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(body).map_err(|error| codec.broken(error))?;
            encoder.finish().map_err(|error| codec.broken(error))
        }
        Codec::Snappy => snappy::compress(body),
        Codec::Lz4 => {
            // 64 KiB independent blocks: the only form that Kafka's Java reader accepts.
            let level = level.and_then(|level| u32::try_from(level).ok()).unwrap_or(0);
            let mut encoder = lz4::EncoderBuilder::new()
                .block_size(lz4::BlockSize::Max64KB)
                .block_mode(lz4::BlockMode::Independent)
                .block_checksum(lz4::liblz4::BlockChecksum::NoBlockChecksum)
                .checksum(lz4::ContentChecksum::NoChecksum)
                .level(level)
                .build(Vec::new())
                .map_err(|error| codec.broken(error))?;
            encoder.write_all(body).map_err(|error| codec.broken(error))?;
            let (out, finished) = encoder.finish();
            finished.map_err(|error| codec.broken(error))?;
            Ok(out)
        }
        Codec::Zstd => zstd::bulk::compress(body, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL))
            .map_err(|error| codec.broken(error)),
    }
}

/// Decompresses one body to at most `out_bytes_max` bytes.
pub fn decompress(codec: Codec, body: &[u8], out_bytes_max: usize) -> Result<Vec<u8>, CodecError> {
    match codec {
        Codec::None if out_bytes_max < body.len() => {
            Err(CodecError::TooLarge { max: out_bytes_max })
        }
        Codec::None => Ok(body.to_vec()),
        Codec::Gzip => read_bounded(codec, flate2::read::MultiGzDecoder::new(body), out_bytes_max),
        Codec::Snappy => snappy::decompress(body, out_bytes_max),
        Codec::Lz4 => read_bounded(codec, lz4_flex::frame::FrameDecoder::new(body), out_bytes_max),
        Codec::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body)
                .map_err(|error| codec.broken(error))?;
            // A frame may ask for a window of gigabytes; nothing larger than the result is needed.
            let window = usize::BITS - out_bytes_max.saturating_sub(1).leading_zeros();
            decoder
                .window_log_max(window.clamp(WINDOW_LOG_MIN, WINDOW_LOG_MAX))
                .map_err(|error| codec.broken(error))?;
            read_bounded(codec, decoder, out_bytes_max)
        }
    }
}

/// 8 MiB: what every zstd decoder should support.
const WINDOW_LOG_MIN: u32 = 23;
const WINDOW_LOG_MAX: u32 = 27;

fn read_bounded(codec: Codec, source: impl Read, max: usize) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    let bound = (max as u64).saturating_add(1);
    source.take(bound).read_to_end(&mut out).map_err(|error| codec.broken(error))?;
    if max < out.len() {
        return Err(CodecError::TooLarge { max });
    }
    Ok(out)
}
