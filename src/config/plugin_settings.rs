//! The two little languages of plugin settings: `name@version`, and `key=value; key=value`.
//!
//! Owns: their grammar and bounds.
//! Leaves to others: whether the plugin exists (`cluster`), what its settings mean (the plugin).
//!
//! Pairs are separated by `;` or a line break, so that the whole survives tools that split at
//! commas. A backslash takes the next character as it is (`\;`, `\=`, `\\`); `\n` is a line break.
//! Blanks around keys and values fall away, empty pairs are skipped, a key may stand only once.

/// Longest name of a plugin.
pub const PLUGIN_NAME_MAX: usize = 64;
/// Longest name of a version.
pub const PLUGIN_VERSION_MAX: usize = 32;
/// Longest text of all settings of one binding; a Kafka setting cannot be longer.
const SETTINGS_BYTES_MAX: usize = 32_767;

/// A plugin's settings in the order in which they were written.
pub type PluginSettings = Vec<(String, String)>;

/// Which plugin a binding names, and whether it stays at one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PluginRef {
    pub name: String,
    /// `None` follows whichever version is active.
    pub pinned: Option<String>,
}

impl std::fmt::Display for PluginRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.pinned {
            None => f.write_str(&self.name),
            Some(version) => write!(f, "{}@{version}", self.name),
        }
    }
}

/// Lower case letters, digits and dashes, beginning with a letter.
pub fn is_plugin_name(name: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.len() <= PLUGIN_NAME_MAX
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && name.bytes().all(rest)
}

/// Letters, digits, dots, dashes, underscores and plus signs, beginning with a letter or digit.
pub fn is_plugin_version(version: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || b".-_+".contains(&b);
    version.len() <= PLUGIN_VERSION_MAX
        && version.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && version.bytes().all(rest)
}

/// Reads `name` or `name@version`.
///
/// Errors: a sentence that says what is expected.
pub fn parse_plugin_ref(text: &str) -> Result<PluginRef, String> {
    let (name, version) = match text.split_once('@') {
        None => (text, None),
        Some((name, version)) => (name, Some(version)),
    };
    if !is_plugin_name(name) {
        return Err(format!(
            "Expected a plugin's name (a lower case letter, then lower case letters, digits or \
             dashes, at most {PLUGIN_NAME_MAX}), or name@version"
        ));
    }
    if version.is_some_and(|version| !is_plugin_version(version)) {
        return Err(format!(
            "Expected a version after the @ (letters, digits, dots, dashes, underscores or plus \
             signs, at most {PLUGIN_VERSION_MAX})"
        ));
    }
    Ok(PluginRef { name: name.to_owned(), pinned: version.map(str::to_owned) })
}

/// Reads `key=value` pairs; see the module's header for the grammar.
///
/// Errors: a sentence that names the pair.
pub fn parse_plugin_settings(text: &str) -> Result<PluginSettings, String> {
    if SETTINGS_BYTES_MAX < text.len() {
        return Err(format!("Plugin settings must be no more than {SETTINGS_BYTES_MAX} bytes"));
    }
    let mut pairs = PluginSettings::new();
    for raw in split_pairs(text)? {
        let Some((key, value)) = raw else { continue };
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err(format!("The key '{key}' stands twice in the plugin settings"));
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// Writes pairs so that [`parse_plugin_settings`] reads the same ones.
pub fn render_plugin_settings(pairs: &[(String, String)]) -> String {
    let all: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
    all.join(";")
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let blanks_end = text.len() - text.trim_start().len();
    let blanks_start = text.trim_end().len();
    for (at, c) in text.char_indices() {
        let at_edge = at < blanks_end || blanks_start <= at;
        match c {
            '\n' => out.push_str("\\n"),
            ';' | '=' | '\\' => out.extend(['\\', c]),
            c if at_edge => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

type Pair = Option<(String, String)>;

fn split_pairs(text: &str) -> Result<Vec<Pair>, String> {
    let mut pairs = Vec::new();
    let mut field = Field::default();
    let mut key: Option<Field> = None;
    let mut chars = text.chars();
    loop {
        let next = chars.next();
        match next {
            Some('\\') => match chars.next() {
                None => return Err("A backslash ends the plugin settings; write \\\\".to_owned()),
                Some('n') => field.push_escaped('\n'),
                Some(c) => field.push_escaped(c),
            },
            Some('=') if key.is_none() => key = Some(std::mem::take(&mut field)),
            None | Some(';' | '\n') => {
                pairs.push(close(key.take(), std::mem::take(&mut field))?);
                if next.is_none() {
                    return Ok(pairs);
                }
            }
            Some(c) => field.push(c),
        }
    }
}

fn close(key: Option<Field>, value: Field) -> Result<Pair, String> {
    match key.map(Field::trimmed) {
        None if value.kept == 0 => Ok(None),
        None => Err("Expected key=value pairs separated by ; or line breaks".to_owned()),
        Some(key) if key.is_empty() => Err("A plugin setting has no key before its =".to_owned()),
        Some(key) => Ok(Some((key, value.trimmed()))),
    }
}

/// Text whose escaped blanks are not trimmed.
#[derive(Default)]
struct Field {
    text: String,
    /// Length up to and with the last character that trimming must keep.
    kept: usize,
}

impl Field {
    fn push(&mut self, c: char) {
        if !c.is_whitespace() {
            self.push_escaped(c);
        } else if 0 < self.kept {
            self.text.push(c);
        }
    }

    fn push_escaped(&mut self, c: char) {
        self.text.push(c);
        self.kept = self.text.len();
    }

    fn trimmed(mut self) -> String {
        self.text.truncate(self.kept);
        self.text
    }
}
