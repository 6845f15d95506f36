//! The optional parts of io_uring, as a value: what a ring may use, what to say when it is missing.
//!
//! Owns: the list of features and their meaning. Leaves to others: finding them (`probe`).
//! Invariant: every feature has a fallback, so any subset works; tests run with each one masked.

/// One optional part of io_uring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    SingleIssuer,
    DeferTaskrun,
    TaskrunFlag,
    SubmitAll,
    MultishotAccept,
    BufRing,
    MultishotRecv,
    MsgRing,
    ExtArg,
}

impl Feature {
    pub const ALL: [Self; 9] = [
        Self::SingleIssuer,
        Self::DeferTaskrun,
        Self::TaskrunFlag,
        Self::SubmitAll,
        Self::MultishotAccept,
        Self::BufRing,
        Self::MultishotRecv,
        Self::MsgRing,
        Self::ExtArg,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::SingleIssuer => "single_issuer",
            Self::DeferTaskrun => "defer_taskrun",
            Self::TaskrunFlag => "taskrun_flag",
            Self::SubmitAll => "submit_all",
            Self::MultishotAccept => "multishot_accept",
            Self::BufRing => "buf_ring",
            Self::MultishotRecv => "multishot_recv",
            Self::MsgRing => "msg_ring",
            Self::ExtArg => "ext_arg",
        }
    }

    /// What the broker does without it.
    pub fn without(self) -> &'static str {
        match self {
            Self::SingleIssuer => "the kernel takes a lock per submission; no deferred completions",
            Self::DeferTaskrun => "completions interrupt the thread instead of waiting for it",
            Self::TaskrunFlag => "one more system call per turn to look for completions",
            Self::SubmitAll => "a failed submission costs another system call",
            Self::MultishotAccept => "one submission per accepted connection",
            Self::BufRing => "a poll and a system call per receive",
            Self::MultishotRecv => "one submission per receive",
            Self::MsgRing => "shards wake each other with a write to an eventfd",
            Self::ExtArg => "one submission per sleep to bound it",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of [`Feature`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u16);

impl Features {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self((1 << Feature::ALL.len()) - 1);

    pub fn has(self, feature: Feature) -> bool {
        self.0 & feature.bit() != 0
    }

    #[must_use]
    pub fn with(self, feature: Feature) -> Self {
        Self(self.0 | feature.bit())
    }

    #[must_use]
    pub fn without(self, feature: Feature) -> Self {
        Self(self.0 & !feature.bit())
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Drops what needs something that is not there.
    #[must_use]
    pub fn consistent(mut self) -> Self {
        if !self.has(Feature::SingleIssuer) {
            self = self.without(Feature::DeferTaskrun);
        }
        if !self.has(Feature::BufRing) {
            self = self.without(Feature::MultishotRecv);
        }
        self
    }
}
