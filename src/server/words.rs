//! Figures and tables for people.
//!
//! Owns: units, thousands, aligned columns. Leaves to others: what is in a column.
//! Invariant: text that came from a client or a plugin cannot move the cursor: control characters
//! are printed escaped.

/// Aligned columns under their headings, two spaces apart, no trailing blanks.
pub fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut lines: Vec<Vec<String>> = vec![headings.iter().map(|h| (*h).to_owned()).collect()];
    lines.extend(rows.into_iter().map(|row| row.iter().map(|cell| plain(cell)).collect()));
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..headings.len()).map(|c| width(c).unwrap_or(0)).collect();
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// Text without control characters.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// `8,211`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 topic`, `2 topics`
pub fn some(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// `24 KiB`, `1.5 MiB`
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{} {unit}", short(value))
}

/// `6 µs`, `2.1 ms`, `3 s`, `2.5 h`
pub fn nanos(number: u64) -> String {
    let value = number as f64;
    let (value, unit) = match number {
        0..1_000 => (value, "ns"),
        1_000..1_000_000 => (value / 1e3, "µs"),
        1_000_000..1_000_000_000 => (value / 1e6, "ms"),
        1_000_000_000..120_000_000_000 => (value / 1e9, "s"),
        120_000_000_000..7_200_000_000_000 => (value / 60e9, "min"),
        _ => (value / 3600e9, "h"),
    };
    format!("{} {unit}", short(value))
}

/// One decimal below ten, unless it is zero.
pub fn short(value: f64) -> String {
    if value < 9.95 && 0.05 <= (value - value.round()).abs() {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// The text with a full stop, where it has no end of its own.
pub fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{text}{end}")
}

/// `-` for what is not there.
pub fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

/// `0-3 7 9-10`: ascending numbers with runs folded.
pub fn ranges(numbers: &[i32]) -> String {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let text = |(first, last): &(i32, i32)| match last - first {
        0 => first.to_string(),
        _ => format!("{first}-{last}"),
    };
    runs.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// `sha256:9f2c41aa…`
pub fn digest(hex: &str) -> String {
    let start: String = hex.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    format!("sha256:{start}…")
}

/// Prints to standard output; a reader that closed it early (`| head`) ends the program quietly.
pub fn print_out(text: &str) {
    use std::io::Write as _;
    let line_end = if text.ends_with('\n') { "" } else { "\n" };
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{text}{line_end}").and_then(|()| out.flush());
}
