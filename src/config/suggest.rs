//! The nearest known name to one that is unknown.
//!
//! Owns: the distance and when a name is near enough to be worth saying.

/// The nearest of `names`, when it could be a slip of the pen; the first of equally near ones.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far_max = (name.len() / 3).clamp(1, 8);
    names
        .map(|known| (distance(name, known, far_max), known))
        .filter(|(distance, _)| *distance <= far_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Edits (insert, remove, replace, swap neighbours) that turn one into the other; anything above
/// `far_max` may be answered as any larger number.
fn distance(from: &str, to: &str, far_max: usize) -> usize {
    let from: Vec<char> = from.chars().take(256).collect();
    let to: Vec<char> = to.chars().collect();
    if far_max < from.len().abs_diff(to.len()) {
        return usize::MAX;
    }
    let mut before: Vec<usize> = vec![0; to.len() + 1];
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i; to.len() + 1];
        for j in 1..=to.len() {
            let replace = above[j - 1] + usize::from(from[i - 1] != to[j - 1]);
            row[j] = replace.min(above[j] + 1).min(row[j - 1] + 1);
            let swapped = 1 < i && 1 < j && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
            if swapped {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
}
