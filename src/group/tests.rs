//! Tests of the groups: scripts of races, formats, plugin assignments, and random histories.
//!
//! Start reading at: `races`, whose scripts read as sentences.
mod formats;
mod plugins;
mod races;
mod random;
mod world;
