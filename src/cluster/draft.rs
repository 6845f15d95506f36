//! Entries on their way to the log: applied to a copy of the image, not yet true.
//!
//! Owns: giving out indexes, so that commands of one request can be planned one upon the other.
//! Leaves to others: making them durable and publishing the image (`shard`).
use super::apply::ApplyError;
use super::command::{Command, Entry};
use super::image::Image;

/// Entries that follow one image, and the image after them.
#[derive(Clone, Debug)]
pub struct Draft {
    base: u64,
    term: u64,
    image: Image,
    entries: Vec<Entry>,
}

impl Draft {
    /// Begins behind `image`, in the log's current term.
    pub fn new(image: &Image, term: u64) -> Self {
        let term = term.max(image.term());
        Self { base: image.version(), term, image: image.clone(), entries: Vec::new() }
    }

    /// Adds a command; what is planned next sees it as done.
    ///
    /// Errors: it cannot be done; then nothing was added.
    pub fn push(&mut self, command: Command, at_ms: i64) -> Result<u64, ApplyError> {
        let index = self.image.version() + 1;
        let entry = Entry { index, term: self.term, at_ms, command };
        self.image = self.image.apply(&entry)?;
        self.entries.push(entry);
        Ok(index)
    }

    /// The image with everything that was added.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Version of the image that this began with.
    pub fn base(&self) -> u64 {
        self.base
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
