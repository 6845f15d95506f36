//! The seam's mail: credits per pair of shards, letters that wait for one, the inbox.
//!
//! Owns: how many requests may lie in each other inbox, and the order of those that wait.
//! Invariant: a shard has at most [`CREDITS_MAX`] requests in one inbox (or on the way there).
//! A credit bounds the *inbox*: it goes back when the request is taken out, however long the
//! answer takes. Replies and credits never wait, so no cycle of shards can block.
use std::collections::{BTreeMap, VecDeque};

use crate::env::op::{Body, Done, IoError, Letter, LetterKind, Memory, ReplyTo, Token};
use crate::env::seam::Seam;
use crate::model::ShardId;

/// Requests that one shard may have untaken at one other shard (or itself).
pub const CREDITS_MAX: u32 = 64;

struct Pair {
    credits: u32,
    /// Requests of ours that wait for a credit, oldest first.
    waiting: VecDeque<(Token, Body)>,
    /// Requests of theirs that we took and have not told them yet.
    owed: u32,
}

impl Default for Pair {
    fn default() -> Self {
        Self { credits: CREDITS_MAX, waiting: VecDeque::new(), owed: 0 }
    }
}

#[derive(Default)]
pub(super) struct Post {
    pairs: BTreeMap<ShardId, Pair>,
    owed_any: bool,
    inbox: Option<Token>,
    /// Requests that nobody reads yet.
    unread: VecDeque<Done>,
    /// This shard stops: requests are answered with an error as they come.
    refusing: bool,
}

impl Post {
    /// Makes `token` the reader of mail; gives what came before.
    pub fn open_inbox(&mut self, token: Token) -> VecDeque<Done> {
        assert!(self.inbox.replace(token).is_none(), "one reader of mail per shard");
        std::mem::take(&mut self.unread)
    }

    pub fn close_inbox(&mut self, unread: VecDeque<Done>) {
        self.inbox = None;
        self.unread = unread;
    }

    /// Takes back a request that still waits for its credit.
    pub fn unsend(&mut self, to: ShardId, token: Token) -> Option<Body> {
        let waiting = &mut self.pairs.get_mut(&to)?.waiting;
        let at = waiting.iter().position(|other| other.0 == token)?;
        waiting.remove(at).map(|(_, body)| body)
    }

    pub fn owes_credits(&self) -> bool {
        self.owed_any
    }

    /// Writes a letter to everybody whose credits did not fit on a reply this turn.
    pub fn flush_credits(&mut self, from: ShardId, letters: &mut Vec<(ShardId, Letter)>) {
        if !std::mem::take(&mut self.owed_any) {
            return;
        }
        for (to, pair) in self.pairs.iter_mut().filter(|(_, pair)| 0 < pair.owed) {
            let credits = std::mem::take(&mut pair.owed);
            letters.push((*to, Letter { from, kind: LetterKind::Credits, credits }));
        }
    }
}

impl Seam {
    /// Sends a request now or, when no credit is left, in its turn; the token gets the reply.
    pub fn send_request(&self, to: ShardId, body: Body) -> Token {
        let mut core = self.core.borrow_mut();
        let token = core.open_local();
        let pair = core.post.pairs.entry(to).or_default();
        assert!(pair.credits == 0 || pair.waiting.is_empty(), "a credit lies beside who waits");
        if pair.credits == 0 {
            pair.waiting.push_back((token, body));
            core.slots[token.index as usize].waits_for = Some(to);
            return token;
        }
        pair.credits -= 1;
        core.work.letters.push((to, request(self.shard, token, body)));
        token
    }

    pub fn send_reply(&self, to: ShardId, slot: Token, result: Result<Body, IoError>) {
        let mut core = self.core.borrow_mut();
        let owed = &mut core.post.pairs.entry(to).or_default().owed;
        let credits = std::mem::take(owed);
        let kind = LetterKind::Reply { to: slot, result };
        core.work.letters.push((to, Letter { from: self.shard, kind, credits }));
    }

    /// The inbox's reader took a request: its sender may send another.
    pub fn note_taken(&self, from: ShardId, reply_to: &ReplyTo) {
        match reply_to {
            ReplyTo::Outside(_) => self.door.taken(self.shard),
            ReplyTo::Slot(_) => {
                let mut core = self.core.borrow_mut();
                core.post.pairs.entry(from).or_default().owed += 1;
                core.post.owed_any = true;
            }
        }
    }

    /// A letter arrived: a request goes to the inbox, a reply to the call that waits.
    pub fn deliver_letter(&self, letter: Letter) {
        if 0 < letter.credits {
            self.spend_credits(letter.from, letter.credits);
        }
        match letter.kind {
            LetterKind::Credits => {}
            LetterKind::Reply { to, result } => {
                let done = match result {
                    Ok(body) => Done { result: Ok(0), memory: Memory::Any(body) },
                    Err(error) => Done::bare(Err(error)),
                };
                self.deliver(to, done, false);
            }
            LetterKind::Request { reply_to, .. } if self.core.borrow().post.refusing => {
                self.refuse(letter.from, reply_to);
            }
            LetterKind::Request { .. } => {
                let inbox = self.core.borrow().post.inbox;
                let done = Done { result: Ok(0), memory: Memory::Letter(Box::new(letter)) };
                match inbox {
                    Some(inbox) => self.deliver(inbox, done, true),
                    None => self.core.borrow_mut().post.unread.push_back(done),
                }
            }
        }
    }

    fn spend_credits(&self, of: ShardId, credits: u32) {
        let mut core = self.core.borrow_mut();
        let pair = core.post.pairs.get_mut(&of).expect("a request took a credit");
        pair.credits += credits;
        assert!(pair.credits <= CREDITS_MAX, "{} credits came back", pair.credits);
        let count = pair.waiting.len().min(pair.credits as usize);
        pair.credits -= count as u32;
        let sent: Vec<(Token, Body)> = pair.waiting.drain(..count).collect();
        for (token, body) in sent {
            core.slots[token.index as usize].waits_for = None;
            core.work.letters.push((of, request(self.shard, token, body)));
        }
    }

    /// Answers every request that nobody took, and those to come, with an error: this shard stops.
    pub fn refuse_mail(&self) {
        let mut core = self.core.borrow_mut();
        core.post.refusing = true;
        let unread = std::mem::take(&mut core.post.unread);
        drop(core);
        for done in unread {
            let Memory::Letter(letter) = done.memory else { continue };
            let LetterKind::Request { reply_to, .. } = letter.kind else { continue };
            self.refuse(letter.from, reply_to);
        }
    }

    fn refuse(&self, from: ShardId, reply_to: ReplyTo) {
        self.note_taken(from, &reply_to);
        match reply_to {
            ReplyTo::Slot(slot) => self.send_reply(from, slot, Err(IoError::Stopped)),
            ReplyTo::Outside(reply) => reply(Err(IoError::Stopped)),
        }
    }
}

fn request(from: ShardId, token: Token, body: Body) -> Letter {
    let kind = LetterKind::Request { reply_to: ReplyTo::Slot(token), body };
    Letter { from, kind, credits: 0 }
}
