//! ADMIN.md: the reference page of the admin port, rendered from the table of routes and from the
//! answers' own types.
//!
//! Owns: the wording. Leaves to others: what is served (`table`), the types (`shard::desk`).
//! Start reading at: [`reference_page`].
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::admin::table::ROUTES;
use crate::shard::desk::{
    ActivateReply, Binding, BindingSpec, BindingTarget, ClientDisagreement, CompactPartition,
    CompactReport, ConfigEntry, DoneReply, GroupDetail, GroupMember, GroupOffset, GroupSummary,
    HealthReply, PartitionDetail, PluginDetail, PluginPsRow, PluginSummary, PluginVersion,
    TopicDetail, TopicSummary,
};

const HEAD: &str = "\
<!-- Written by `UPDATE_DOCS=1 cargo test --lib admin_md`; change src/admin/table.rs instead. -->
# The admin port

HTTP for operators and scripts, on `admin.listener` (127.0.0.1:9644). The command line uses nothing
else: `logmill … --json` prints these answers.

```sh
curl -s 127.0.0.1:9644/v1/topics
curl -s -H \"Authorization: Bearer $(cat data/admin.token)\" -d '{\"version\":\"1\"}' \\
    127.0.0.1:9644/v1/plugins/by-airport/activate
```

- Every request but GET needs the token of the file `admin.token` in the data directory; on an
  address that other machines reach, GET needs it too. `/health` and `/metrics` are always open.
- `Host` must be this machine by its own word; what changes something is not taken from web pages.
- Bodies are JSON of 256 KiB at most, without unknown fields; a component has 32 MiB at most.
- An error is `{\"error\":CODE,\"message\":SENTENCE}`, and nothing was changed. Codes and statuses:
  `bad_request` 400 (405 for a wrong method), `unauthorized` 401, `forbidden` 403, `not_found` 404,
  `conflict` 409, `too_large` 413, `internal` 500, `not_ready` 503.
";

/// The page as it is kept in the repository.
pub(super) fn reference_page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Requests\n\n| request | what it does | body | answer |\n");
    page.push_str("| --- | --- | --- | --- |\n");
    for route in ROUTES {
        let body = match route.body {
            json if json.starts_with('{') => format!("`{json}`"),
            other => other.to_owned(),
        };
        let (method, path, does, answer) = (route.method, route.path, route.does, route.answer);
        let _ = writeln!(page, "| `{method} {path}` | {does} | {body} | {answer} |");
    }
    page.push_str(
        "\n## Answers\n\nIn brackets above: a list of them. `src/shard/desk.rs` says what ",
    );
    page.push_str("each field means.\n\n| answer | fields |\n| --- | --- |\n");
    for (name, value) in answers() {
        let Value::Object(fields) = value else { continue };
        let fields: Vec<String> = fields.keys().map(|field| format!("`{field}`")).collect();
        let _ = writeln!(page, "| {name} | {} |", fields.join(", "));
    }
    page
}

fn value<T: Serialize>(answer: T) -> Value {
    serde_json::to_value(answer).expect("answers are plain data")
}

/// One value of each type that an answer consists of.
fn answers() -> Vec<(&'static str, Value)> {
    let installed = PluginVersion {
        compiled_ms: Some(0),
        dry_run: Some(String::new()),
        ..PluginVersion::default()
    };
    let spec = BindingSpec {
        plugin: String::new(),
        pin: Some(String::new()),
        target: BindingTarget::Topic(String::new()),
        mode: None,
        policy: None,
        settings: Default::default(),
    };
    let binding = Binding { spec, kind: String::new(), version: None, state: String::new() };
    vec![
        ("HealthReply", value(HealthReply::default())),
        ("ConfigEntry", value(ConfigEntry::default())),
        ("TopicSummary", value(TopicSummary::default())),
        ("TopicDetail", value(TopicDetail::default())),
        ("TopicDetail.partitions", value(PartitionDetail::default())),
        ("TopicDetail.clients", value(ClientDisagreement::default())),
        ("CompactReport", value(CompactReport::default())),
        ("CompactReport.partitions", value(CompactPartition::default())),
        ("PluginSummary", value(PluginSummary::default())),
        ("PluginPsRow", value(PluginPsRow::default())),
        ("PluginDetail", value(PluginDetail::default())),
        ("PluginVersion", value(installed)),
        ("ActivateReply", value(ActivateReply::default())),
        ("Binding", value(binding)),
        ("GroupSummary", value(GroupSummary::default())),
        ("GroupDetail", value(GroupDetail::default())),
        ("GroupDetail.members", value(GroupMember::default())),
        ("GroupDetail.offsets", value(GroupOffset::default())),
        ("DoneReply", value(DoneReply::default())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_md_is_the_rendered_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ADMIN.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, reference_page()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == reference_page(), "run UPDATE_DOCS=1 cargo test --lib admin_md");
    }

    #[test]
    fn every_answer_of_the_table_is_explained() {
        for route in ROUTES.iter().filter(|route| route.answer != "text") {
            let name = route.answer.trim_matches(['[', ']']);
            assert!(answers().iter().any(|(known, _)| *known == name), "{name}");
        }
    }
}
