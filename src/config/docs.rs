//! CONFIG.md, rendered from the table of settings.
//!
//! Owns: the page. A test compares the committed file with it.
use std::fmt::Write as _;

use super::key::{Effect, Key, Rule, Runtime, Scope};
use super::table;

/// The reference page of all settings.
pub fn reference_page() -> String {
    let mut page = String::from(HEAD);
    section(&mut page, "Broker settings", BROKER, Scope::Broker);
    section(&mut page, "Topic settings", TOPIC, Scope::Topic);
    section(&mut page, "Group settings", GROUP, Scope::Group);
    page.push_str("## Names that are gone\n\nRead and passed over with a note: ");
    let mut gone: Vec<String> = table::REMOVED.iter().map(|name| format!("`{name}`")).collect();
    gone.push("`zookeeper.*`".to_owned());
    let _ = writeln!(page, "{}.", gone.join(", "));
    page
}

const HEAD: &str = "\
<!-- Written by `UPDATE_DOCS=1 cargo test config_md`; change src/config/table instead. -->
# Settings

Logmill reads `logmill.toml` (`logmill serve --config FILE`) and `--set key=value` arguments, which
win. Names are Kafka's and mean what Kafka means by them; rows that begin with \"Logmill\" are ours.
Every default works: without a file a single node starts in `./data`.

```toml
log.segment.bytes = 268435456        # dotted
\"log.dir\" = \"/var/lib/logmill\"       # quoted: needed where one name begins another,
log.dir.failure.timeout.ms = 30000   # such as these two
listeners = [\"PLAINTEXT://0.0.0.0:9092\"]
advertised.listeners = [\"PLAINTEXT://broker.example:9092\"]
```

**Effect** says what this version does with a setting: *yes*: it acts on it; *accepted*: it checks,
keeps and reports it, and nothing else yet; *refused*: only the default is taken.
**Change** says when a broker setting can change: *restart*; *cluster* (kafka-configs, for one
broker or with `--entity-default`); *broker* (for one broker only).

Settings of a plugin (`partitioner.plugin.settings` and its like) are pairs `key=value`, separated
by `;` or line breaks, because tools split at commas. A backslash takes the next character as it
is (`\\;` `\\=` `\\\\`), `\\n` is a line break. Blanks around keys and values fall away.
kafka-configs wants brackets around a value that holds `=` or commas; kafka-topics refuses every
setting that Apache Kafka does not have before it asks the broker: create the topic first.

```sh
kafka-configs … --alter --entity-type topics --entity-name flights \\
  --add-config 'partitioner.plugin=by-airport,partitioner.plugin.settings=[JFK=0;LGA=1]'
```

";

const BROKER: &str = "In the file, with `--set`, or through IncrementalAlterConfigs on a broker.";
const TOPIC: &str = "Through CreateTopics, or IncrementalAlterConfigs on a topic; they can always \
                     change. Where a topic sets nothing, its broker setting counts.";
const GROUP: &str = "Through IncrementalAlterConfigs on a group; they can always change.";

fn section(page: &mut String, title: &str, lead: &str, scope: Scope) {
    let _ = writeln!(page, "## {title}\n\n{lead}\n");
    let (column, rule) = match scope {
        Scope::Broker => ("Change", "---"),
        Scope::Topic | Scope::Group => ("Broker setting", "---"),
    };
    let _ = writeln!(page, "| Name | Type | Default | Values | {column} | Effect | Meaning |");
    let _ = writeln!(page, "| --- | --- | --- | --- | {rule} | --- | --- |");
    let mut keys: Vec<&Key> = table::keys(scope).filter(|key| !key.hidden).collect();
    keys.sort_by_key(|key| key.name);
    for key in keys {
        let origin = match scope {
            Scope::Broker => change(key).to_owned(),
            Scope::Topic | Scope::Group => synonyms(key),
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {origin} | {} | {} |",
            key.name,
            key.kind.name(),
            default(key),
            values(key),
            effect(key),
            key.doc.replace('|', "\\|")
        );
    }
    page.push('\n');
}

fn default(key: &Key) -> String {
    match key.default {
        None => "null".to_owned(),
        Some("") => "empty".to_owned(),
        Some(text) => format!("`{text}`"),
    }
}

fn values(key: &Key) -> String {
    match key.rule {
        Rule::Any => String::new(),
        Rule::AtLeast(least) => format!("≥ {least}"),
        Rule::Between(least, most) => format!("{least} … {most}"),
        Rule::BetweenReal(least, most) => format!("{least} … {most}"),
        Rule::GzipLevel => "1 … 9, -1".to_owned(),
        Rule::OneOf(words) | Rule::OneOfAnyCase(words) | Rule::ListOf(words) => words.join(", "),
        Rule::ThrottledReplicas => "`*`, partition:broker".to_owned(),
        Rule::PluginRef => "name, name@version".to_owned(),
        Rule::PluginSettings => "key=value; …".to_owned(),
    }
}

fn change(key: &Key) -> &'static str {
    match key.runtime {
        Runtime::Restart => "restart",
        Runtime::ClusterWide => "cluster",
        Runtime::PerBroker => "broker",
    }
}

fn synonyms(key: &Key) -> String {
    let names: Vec<String> =
        key.synonyms.iter().map(|synonym| format!("`{}`", synonym.name)).collect();
    names.join(" › ")
}

fn effect(key: &Key) -> &'static str {
    match key.effect {
        Effect::Now => "yes",
        Effect::Accepted => "accepted",
        Effect::Refused(_) => "refused",
    }
}
