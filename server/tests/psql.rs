//! The stock psql, where it is installed.

mod support;

use std::process::Command;
use support::start;

#[test]
fn psql_connects_and_asks() {
    let server = start();
    let address = server.server.addresses()[0];
    let port = address.port().to_string();
    let psql = Command::new("psql")
        .args([
            "-X",
            "-A",
            "-t",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            "-d",
            "postgres",
        ])
        .args(["-c", "select rows 3", "-c", "\\conninfo", "-c", "missing"])
        .output();
    let Ok(output) = psql else {
        return println!("skipped: psql is not installed");
    };
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(out.starts_with("0\n1\n2\n"), "{out} {err}");
    assert!(
        out.contains("You are connected to database \"postgres\" as user \"postgres\""),
        "{out} {err}"
    );
    let expected = "ERROR:  relation \"missing\" does not exist\nLINE 1: missing\n        ^\n";
    assert_eq!(err, expected);
}
