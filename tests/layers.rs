//! Imports go one way (ARCHITECTURE.md, "Dependency rules").

use std::collections::BTreeSet;
use std::path::Path;

/// The crates of ours that a manifest names among its `[dependencies]`.
fn imports(directory: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(directory)
        .join("Cargo.toml");
    let text = std::fs::read_to_string(&path).expect("a manifest");
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_string();
        } else if section == "dependencies" || section == "build-dependencies" {
            let name = line.split(['.', ' ', '=']).next().unwrap_or("");
            if name.starts_with("vireo-") {
                found.insert(name.to_string());
            }
        }
    }
    found
}

fn check(directory: &str, allowed: &[&str]) {
    for import in imports(directory) {
        assert!(
            allowed.contains(&import.as_str()),
            "{directory} imports {import}"
        );
    }
}

#[test]
fn imports_go_one_way() {
    check("abi", &[]);
    check("query", &["vireo-abi"]);
    check("storage", &["vireo-abi"]);
    check("hypervisor", &["vireo-abi"]);
    check("client", &[]);
    check("dbfunctions/runtime", &["vireo-abi"]);
    check(
        "dbfunctions/parse",
        &["vireo-abi", "vireo-runtime", "vireo-query", "vireo-storage"],
    );
    check(
        "dbfunctions/execute",
        &["vireo-abi", "vireo-runtime", "vireo-query", "vireo-storage"],
    );
    check(
        "dbfunctions/storage",
        &["vireo-abi", "vireo-runtime", "vireo-storage"],
    );
    check(
        "server",
        &["vireo-abi", "vireo-hypervisor", "vireo-functions"],
    );
}

/// The files of a crate's sources.
fn sources(directory: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn only_the_hypervisor_touches_kvm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for directory in [
        "abi",
        "query",
        "storage",
        "dbfunctions/runtime",
        "server/src",
        "client",
        "src",
    ] {
        let mut files = Vec::new();
        sources(&root.join(directory), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source file");
            assert!(
                !text.contains("kvm_ioctls"),
                "{} uses kvm_ioctls",
                file.display()
            );
        }
    }
}
