// SPDX-License-Identifier: MIT

use std::collections::BTreeMap;

/// How often each word comes, by word.
pub fn count(words: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for word in words {
        *found.entry(word).or_insert(0) += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn counts() {
        let words = ["a", "b", "a"].map(String::from);
        assert_eq!(super::count(words.into_iter())["a"], 2);
    }
}
