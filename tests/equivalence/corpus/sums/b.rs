// SPDX-License-Identifier: MIT
use std::fs;

fn main() {
    let text = fs::read_to_string("table").unwrap();
    let mut sums = (0, 0);
    for line in text.lines() {
        let row: Vec<i64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        sums = (sums.0 + row[0], sums.1 + row[1]);
    }
    fs::write("sums", format!("{} {}\n", sums.0, sums.1)).unwrap();
}
