//! The few requests and answers that a load needs, in one version each.
//!
//! Owns: their layout. CreateTopics 4, Metadata 4, ListOffsets 1, Fetch 11 and Produce 9 are served
//! by Apache Kafka 4 and by Logmill alike.
//! Source: Kafka protocol guide.
use std::collections::BTreeMap;

use crate::Failed;

const CLIENT_ID: &str = "load";
/// Errors of a topic that comes to be: unknown topic, no leader yet, not the leader.
pub const NOT_YET: [i16; 3] = [3, 5, 6];

/// A request in the making; the first four bytes are its length.
pub struct Request(pub Vec<u8>);

impl Request {
    pub fn new(key: i16, version: i16, flexible: bool) -> Self {
        let mut request = Self(vec![0; 4]);
        request.int16(key).int16(version).int32(0).string(CLIENT_ID);
        if flexible {
            request.0.push(0);
        }
        request
    }

    pub fn int8(&mut self, value: i8) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn int16(&mut self, value: i16) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn int32(&mut self, value: i32) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn int64(&mut self, value: i64) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// The length of an array or of bytes, 32 bits of it.
    pub fn count(&mut self, value: usize) -> &mut Self {
        self.int32(i32::try_from(value).expect("what we send is small"))
    }

    pub fn string(&mut self, text: &str) -> &mut Self {
        self.int16(i16::try_from(text.len()).expect("names are short"));
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A length of the flexible versions: one more than it is.
    fn compact(&mut self, length: usize) -> &mut Self {
        let mut left = length + 1;
        while 0x80 <= left {
            self.0.push(left as u8 & 0x7f | 0x80);
            left >>= 7;
        }
        self.0.push(left as u8);
        self
    }

    /// Sets the length and gives the bytes.
    pub fn finish(&mut self) -> &[u8] {
        let length = i32::try_from(self.0.len() - 4).expect("requests are small");
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        &self.0
    }
}

/// Fills `request` with one batch for each of `partitions`.
pub fn produce(
    request: &mut Request,
    topic: &str,
    acks: i16,
    partitions: impl ExactSizeIterator<Item = i32>,
    batch: &[u8],
) {
    request.0.clear();
    request.0.extend_from_slice(&Request::new(0, 9, true).0);
    request.0.push(0);
    request.int16(acks).int32(30_000).compact(1).compact(topic.len());
    request.0.extend_from_slice(topic.as_bytes());
    request.compact(partitions.len());
    for partition in partitions {
        request.int32(partition).compact(batch.len());
        request.0.extend_from_slice(batch);
        request.0.push(0);
    }
    request.0.extend_from_slice(&[0, 0]);
}

/// Reads an answer; every step says `None` when the bytes end.
pub struct Answer<'a>(&'a [u8]);

type Read<T> = Result<T, Failed>;

impl<'a> Answer<'a> {
    /// Of a frame without its length: the correlation id, and the tags of a flexible one.
    pub fn new(frame: &'a [u8], flexible: bool) -> Read<Self> {
        let mut answer = Self(frame);
        answer.int32()?;
        if flexible {
            answer.tags()?;
        }
        Ok(answer)
    }

    pub fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("an answer ends early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    pub fn int16(&mut self) -> Read<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub fn int32(&mut self) -> Read<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub fn int64(&mut self) -> Read<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A 32-bit length; null counts as 0.
    pub fn count(&mut self) -> Read<usize> {
        Ok(usize::try_from(self.int32()?).unwrap_or(0))
    }

    pub fn string(&mut self) -> Read<&'a [u8]> {
        let length = usize::try_from(self.int16()?).unwrap_or(0);
        self.take(length)
    }

    fn varint(&mut self) -> Read<usize> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a length is too long".into())
    }

    fn compact(&mut self) -> Read<usize> {
        Ok(self.varint()?.saturating_sub(1))
    }

    fn tags(&mut self) -> Read<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.take(length)?;
        }
        Ok(())
    }
}

/// Calls `each` with partition and error code of every partition in a Produce answer.
pub fn produced(frame: &[u8], mut each: impl FnMut(i32, i16)) -> Read<()> {
    let mut answer = Answer::new(frame, true)?;
    for _ in 0..answer.compact()? {
        let name = answer.compact()?;
        answer.take(name)?;
        for _ in 0..answer.compact()? {
            let partition = answer.int32()?;
            each(partition, answer.int16()?);
            answer.take(3 * 8)?;
            for _ in 0..answer.compact()? {
                answer.int32()?;
                let message = answer.compact()?;
                answer.take(message)?;
                answer.tags()?;
            }
            let message = answer.compact()?;
            answer.take(message)?;
            answer.tags()?;
        }
        answer.tags()?;
    }
    Ok(())
}

/// Partitions of the one topic in a Metadata answer that have a leader.
pub fn led(frame: &[u8]) -> Read<usize> {
    let mut answer = Answer::new(frame, false)?;
    answer.int32()?;
    for _ in 0..answer.count()? {
        answer.int32()?;
        answer.string()?;
        answer.int32()?;
        answer.string()?;
    }
    answer.string()?;
    answer.int32()?;
    let mut led = 0;
    for _ in 0..answer.count()? {
        let topic_error = answer.int16()?;
        answer.string()?;
        answer.take(1)?;
        for _ in 0..answer.count()? {
            let error = answer.int16()?;
            answer.int32()?;
            let leader = answer.int32()?;
            for _ in 0..2 {
                let nodes = answer.count()?;
                answer.take(nodes * 4)?;
            }
            led += usize::from(topic_error == 0 && error == 0 && 0 <= leader);
        }
    }
    Ok(led)
}

/// The offsets in a ListOffsets answer, by partition.
pub fn offsets(frame: &[u8]) -> Read<BTreeMap<i32, i64>> {
    let mut answer = Answer::new(frame, false)?;
    let mut found = BTreeMap::new();
    for _ in 0..answer.count()? {
        answer.string()?;
        for _ in 0..answer.count()? {
            let partition = answer.int32()?;
            let error = answer.int16()?;
            if error != 0 {
                return Err(format!("ListOffsets of partition {partition}: error {error}").into());
            }
            answer.int64()?;
            found.insert(partition, answer.int64()?);
        }
    }
    Ok(found)
}

/// Calls `each` with partition, error, high watermark and records in a Fetch answer.
pub fn fetched<'a>(
    frame: &'a [u8],
    mut each: impl FnMut(i32, i16, i64, &'a [u8]) -> Read<()>,
) -> Read<()> {
    let mut answer = Answer::new(frame, false)?;
    answer.int32()?;
    let error = answer.int16()?;
    if error != 0 {
        return Err(format!("Fetch gave error {error}").into());
    }
    answer.int32()?;
    for _ in 0..answer.count()? {
        answer.string()?;
        for _ in 0..answer.count()? {
            let partition = answer.int32()?;
            let error = answer.int16()?;
            let high_watermark = answer.int64()?;
            answer.take(2 * 8)?;
            let aborted = answer.count()?;
            answer.take(aborted * 16)?;
            answer.int32()?;
            let length = answer.count()?;
            each(partition, error, high_watermark, answer.take(length)?)?;
        }
    }
    Ok(())
}
