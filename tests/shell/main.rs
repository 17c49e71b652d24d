//! The shell's own commands over the system views, run by the `vireo` program.

use std::path::Path;
use std::process::Command;

#[test]
fn tables_are_described() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shell");
    let output = Command::new(env!("CARGO_BIN_EXE_vireo"))
        .args(["sql", "--isolation", "thread", "--quiet", "--file"])
        .arg(directory.join("describe.sql"))
        .output()
        .expect("the program runs");
    let expected = std::fs::read_to_string(directory.join("describe.out")).expect("a text");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    let expected = "\
Did not find any relations.
Did not find any relation named \"nothing_here\".
Did not find any relation named \"fleeting\".
";
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}
