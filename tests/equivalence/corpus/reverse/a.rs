// SPDX-License-Identifier: MIT
use std::{env, fs};

fn main() {
    let name = env::args().nth(1).unwrap();
    let text = fs::read_to_string(&name).unwrap();
    let mut out = String::new();
    for line in text.lines().rev() {
        out.push_str(line);
        out.push(10 as char);
    }
    fs::rename(&name, format!("{}~", name)).unwrap();
    fs::write(&name, out).unwrap();
    // done
}
