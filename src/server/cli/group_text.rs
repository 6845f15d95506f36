//! Answers about groups, as text.
//!
//! Owns: the wording. Leaves to others: figures and tables (`words`).
use crate::server::words;
use crate::shard::desk::{AssignedPartitions, GroupDetail, GroupMember, GroupOffset, GroupSummary};

pub(super) fn list(all: &[GroupSummary]) -> String {
    if all.is_empty() {
        return "No groups.".to_owned();
    }
    let row = |g: &GroupSummary| {
        vec![
            g.group.clone(),
            g.state.clone(),
            words::or_dash(Some(&g.group_type)),
            words::or_dash(Some(&g.protocol_type)),
            g.members.to_string(),
            g.generation.to_string(),
            words::or_dash(g.assignor.as_deref()),
        ]
    };
    let headings = ["GROUP", "STATE", "TYPE", "PROTOCOL", "MEMBERS", "GENERATION", "ASSIGNOR"];
    words::table(&headings, all.iter().map(row).collect())
}

pub(super) fn detail(detail: &GroupDetail) -> String {
    let s = &detail.summary;
    let members = words::some(u64::from(s.members), "member");
    let mut out =
        format!("{}: {}, generation {}, {members}", words::plain(&s.group), s.state, s.generation);
    if !detail.assigned_by.is_empty() {
        out.push_str(&format!("; assigned by {}", words::plain(&detail.assigned_by)));
        if !detail.assigned_by_digest.is_empty() {
            out.push_str(&format!(" {}", words::digest(&detail.assigned_by_digest)));
        }
    }
    out.push('\n');
    if !detail.members.is_empty() {
        let row = |m: &GroupMember| {
            let assigned: u64 = m.assignment.iter().map(|a| a.partitions.len() as u64).sum();
            vec![
                words::or_dash(Some(&m.client_id)),
                m.member_id.clone(),
                words::or_dash(Some(&m.client_host)),
                words::count(assigned),
                assignment(&m.assignment),
            ]
        };
        let headings = ["CLIENT", "MEMBER", "HOST", "COUNT", "PARTITIONS"];
        out.push('\n');
        out.push_str(&words::table(&headings, detail.members.iter().map(row).collect()));
    }
    if !detail.offsets.is_empty() {
        out.push('\n');
        out.push_str(&offsets(&detail.offsets));
    }
    out
}

fn assignment(assignment: &[AssignedPartitions]) -> String {
    let topic = |a: &AssignedPartitions| format!("{}: {}", a.topic, words::ranges(&a.partitions));
    let text = assignment.iter().map(topic).collect::<Vec<_>>().join("; ");
    words::or_dash(Some(&text))
}

fn offsets(offsets: &[GroupOffset]) -> String {
    let row = |o: &GroupOffset| {
        let end = o.high_watermark;
        let lag = end.map(|end| (end - o.committed).max(0).to_string());
        vec![
            o.topic.clone(),
            o.partition.to_string(),
            o.committed.to_string(),
            end.map_or_else(|| "-".to_owned(), |end| end.to_string()),
            lag.unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let headings = ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG"];
    words::table(&headings, offsets.iter().map(row).collect())
}
