// SPDX-License-Identifier: MIT

use std::{env, fs, path::Path};

fn main() {
    let folder = env::var("OUT_DIR").unwrap();
    let squares: Vec<u64> = (0..1000).map(|n| n * n).collect();
    let text = format!("pub const SQUARES: [u64; 1000] = {squares:?};\n");
    fs::write(Path::new(&folder).join("squares.rs"), text).unwrap();
    println!("cargo:rerun-if-changed=build.rs");
}
