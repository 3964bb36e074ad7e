//! What somebody who misspelt a volume's name may have meant.

use super::super::{EngineError, Inner};
use crate::volume::VolumeError;

/// How many letters may be wrong.
const WRONG_MAX: usize = 2;

impl Inner {
    /// The error, and for a volume that is not there the name that comes nearest.
    pub(in crate::engine) fn named_nearest(&self, error: VolumeError) -> EngineError {
        let VolumeError::NoSuchVolume { target } = error else { return error.into() };
        let names = self.shelf().all().unwrap_or_default().into_iter().map(|volume| volume.name);
        let near = names.map(|name| (distance(&target, name.as_str()), name));
        // In a short name two wrong letters are another name.
        let most = WRONG_MAX.min(target.len() / 2);
        let similar = near.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name);
        EngineError::NoSuchVolume { target, similar }
    }
}

/// How many letters have to be put in, taken out or changed (Levenshtein's distance).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len().abs_diff(other.len()) > WRONG_MAX {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (column, theirs) in other.iter().enumerate() {
            let changed = before + usize::from(letter != theirs);
            before = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(before + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        for (one, other, letters) in
            [("data", "data", 0), ("data", "dta", 1), ("data", "dataa", 1), ("data", "date", 1), ("data", "adta", 2)]
        {
            assert_eq!(distance(one, other), letters, "{one} {other}");
        }
        assert!(distance("a", "abcdef") > WRONG_MAX);
    }
}
