//! What may go wrong in a simulated world, how often, and how often it did.
//!
//! Owns: the rates and the counters. Leaves to others: doing the damage (`disk`, `net`, `world`).

/// Rates, most of them of 1,000. All choices come from the world's seed.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Every operation takes from 1 ns up to this.
    pub delay_ns_max: u64,
    /// Durable writes that take up to 5 ms, so that much else happens meanwhile; a power cut within
    /// leaves some of their sectors.
    pub slow_write_per_1000: u64,
    /// Receives, sends, reads and writes that move a random part only.
    pub short_per_1000: u64,
    /// Receives that move exactly one byte.
    pub one_byte_per_1000: u64,
    /// Sends that find the connection reset instead.
    pub reset_per_1000: u64,
    /// Multishot results that are the last of their operation, for no reason.
    pub disarm_per_1000: u64,
    /// Letters of different pairs of shards overtake each other by up to this much.
    pub mail_delay_ns_max: u64,
    /// Syncs that say yes and do nothing.
    pub lying_sync_per_1000: u64,
    /// Syncs of whole file systems that say yes and do nothing.
    pub lying_checkpoint_per_1000: u64,
    /// Writes of files that say yes and do nothing.
    pub lost_write_per_1000: u64,
    /// Syncs that fail once and forget what was not written: the next one says yes.
    pub failed_sync_per_1000: u64,
    /// Reads and writes of files that fail with EIO and do nothing.
    pub io_error_per_1000: u64,
    /// Power cut: unsynced sectors that keep what they had before.
    pub sector_lost_per_1000: u64,
    /// Power cut: unsynced sectors that are half new, half old.
    pub sector_torn_per_1000: u64,
    /// Power cut: unsynced sectors that end in the place of another unsynced one of their file.
    pub sector_misdirected_per_1000: u64,
    /// Power cut: unsynced names (and all later ones of that directory) that are rolled back.
    pub name_lost_per_1000: u64,
}

impl Faults {
    /// A world in which nothing goes wrong, not even at a power cut.
    pub const NONE: Self = Self {
        delay_ns_max: 1_000,
        slow_write_per_1000: 0,
        short_per_1000: 0,
        one_byte_per_1000: 0,
        reset_per_1000: 0,
        disarm_per_1000: 0,
        mail_delay_ns_max: 1_000,
        lying_sync_per_1000: 0,
        lying_checkpoint_per_1000: 0,
        lost_write_per_1000: 0,
        failed_sync_per_1000: 0,
        io_error_per_1000: 0,
        sector_lost_per_1000: 0,
        sector_torn_per_1000: 0,
        sector_misdirected_per_1000: 0,
        name_lost_per_1000: 0,
    };
    /// Everything that a correct program must not notice.
    pub const LEGAL: Self = Self {
        delay_ns_max: 50_000,
        slow_write_per_1000: 20,
        short_per_1000: 300,
        one_byte_per_1000: 200,
        reset_per_1000: 0,
        disarm_per_1000: 100,
        mail_delay_ns_max: 200_000,
        lying_sync_per_1000: 0,
        lying_checkpoint_per_1000: 0,
        lost_write_per_1000: 0,
        failed_sync_per_1000: 0,
        io_error_per_1000: 0,
        sector_lost_per_1000: 350,
        sector_torn_per_1000: 250,
        sector_misdirected_per_1000: 50,
        name_lost_per_1000: 300,
    };
}

/// How often each fault happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    pub short: u64,
    pub slow_writes: u64,
    /// Durable writes under way at a power cut that have touched the disk.
    pub cut_writes: u64,
    pub one_byte: u64,
    pub resets: u64,
    pub disarms: u64,
    pub mail_overtaken: u64,
    pub lying_syncs: u64,
    pub failed_syncs: u64,
    pub io_errors: u64,
    pub disk_full: u64,
    pub sectors_lost: u64,
    pub sectors_torn: u64,
    pub sectors_misdirected: u64,
    /// Bits of files that are not what was written.
    pub rotten_bits: u64,
    pub sizes_lost: u64,
    pub names_lost: u64,
    pub crashes: u64,
    pub power_cuts: u64,
}

impl FaultCounts {
    /// All of them together.
    pub fn total(&self) -> u64 {
        self.by_name().iter().map(|(_, count)| count).sum()
    }

    pub fn by_name(&self) -> [(&'static str, u64); 19] {
        [
            ("short", self.short),
            ("slow_writes", self.slow_writes),
            ("cut_writes", self.cut_writes),
            ("one_byte", self.one_byte),
            ("resets", self.resets),
            ("disarms", self.disarms),
            ("mail_overtaken", self.mail_overtaken),
            ("lying_syncs", self.lying_syncs),
            ("failed_syncs", self.failed_syncs),
            ("io_errors", self.io_errors),
            ("disk_full", self.disk_full),
            ("sectors_lost", self.sectors_lost),
            ("sectors_torn", self.sectors_torn),
            ("sectors_misdirected", self.sectors_misdirected),
            ("rotten_bits", self.rotten_bits),
            ("sizes_lost", self.sizes_lost),
            ("names_lost", self.names_lost),
            ("crashes", self.crashes),
            ("power_cuts", self.power_cuts),
        ]
    }
}
