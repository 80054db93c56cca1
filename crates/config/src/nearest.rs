//! The known word that somebody meant.

/// The candidate with the fewest typing errors (a wrong, missing, additional or swapped letter) from `word`, when
/// they are few for its length. Letter case does not count.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = lower(word);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &lower(candidate)), candidate))
        .filter(|(errors, candidate)| *errors <= allowed(candidate.chars().count()))
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or nothing.
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|found| format!("; did you mean {found:?}?")).unwrap_or_default()
}

fn lower(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// One error in three letters, and never more than four.
fn allowed(length: usize) -> usize {
    (length / 3).clamp(1, 4)
}

/// Optimal string alignment: edits of single letters and swaps of neighbours.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut current = vec![row + 1; right.len() + 1];
        for (column, other) in right.iter().enumerate() {
            let replaced = previous[column] + usize::from(letter != other);
            let mut best = replaced.min(previous[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && *letter == right[column - 1] && left[row - 1] == *other;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, ["workers", "timeout", "topic", "sd", "async/amqp"]), expected);
    }

    #[test]
    fn typing_errors_lead_to_the_word_that_was_meant() {
        check("worker", Some("workers"));
        check("tiemout", Some("timeout"));
        check("Topics", Some("topic"));
        check("async/ampq", Some("async/amqp"));
        check("ds", Some("sd"));
    }

    #[test]
    fn a_word_far_from_all_leads_nowhere() {
        check("password", None);
        check("", None);
    }

    #[test]
    fn the_distance_counts_edits_and_swaps() {
        let between = |left: &str, right: &str| distance(&lower(left), &lower(right));
        assert_eq!(between("", "abc"), 3);
        assert_eq!(between("abc", "acb"), 1);
        assert_eq!(between("kitten", "sitting"), 3);
    }
}
