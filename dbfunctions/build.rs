//! Builds the images of the function VMs, so that `cargo build` alone makes the whole product.
//!
//! The images are a workspace of their own (`images/`), for a platform of their own: no libc, no
//! start files, an own linker script, a fixed address. They are built by a second cargo into
//! `<target>/images`, which all profiles of the host program share, always optimized; then each
//! is copied to `OUT_DIR`, where the library embeds it from.
//!
//! The second cargo must not see what the first one set for this build script (flags, wrappers,
//! features), but shares its job server, so that both together use no more processors than one.
//! It waits for the lock of `<target>/images` and for nothing that the first one holds.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What the images' code may use. The hypervisor refuses hosts without it; see
/// `docs/decisions/images.md`.
const TARGET_CPU: &str = "x86-64-v3";

const IMAGES: [&str; 6] = ["parse", "execute", "storage", "echo", "ping", "hostile"];

/// What the images are made of, from the repository's root.
const SOURCES: [&str; 8] = [
    "Cargo.toml",
    "abi",
    "query",
    "storage",
    "dbfunctions/runtime",
    "dbfunctions/parse",
    "dbfunctions/execute",
    "dbfunctions/storage",
];

fn main() {
    let manifest = PathBuf::from(var("CARGO_MANIFEST_DIR"));
    let root = manifest.parent().expect("dbfunctions is in the repository");
    let images = manifest.join("images");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", images.display());
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", root.join(source).display());
    }
    let out = PathBuf::from(var("OUT_DIR"));
    let target = target_directory(&out).join("images");
    build(root, &images, &target);
    for image in IMAGES {
        let from = target.join(TARGET).join("release").join(image);
        let to = out.join(format!("{image}.elf"));
        fs::copy(&from, &to).unwrap_or_else(|error| {
            fail(&format!(
                "cannot copy the image {}: {error}",
                from.display()
            ))
        });
    }
}

fn build(root: &Path, images: &Path, target: &Path) {
    let locked = images.join("Cargo.lock").exists();
    let mut output = run(root, images, target, locked);
    if locked && is_lock_stale(&output) {
        println!(
            "cargo:warning=dbfunctions/images/Cargo.lock was out of date and has been updated"
        );
        output = run(root, images, target, false);
    }
    if !output.status.success() {
        fail(&format!(
            "the images do not build ({}):\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
}

fn is_lock_stale(output: &Output) -> bool {
    // Where the lock is what counts, a stale one is an error.
    let strict = env::var_os("CI").is_some();
    let message = String::from_utf8_lossy(&output.stderr);
    !output.status.success() && !strict && message.contains("because --locked was passed")
}

fn run(root: &Path, images: &Path, target: &Path, locked: bool) -> Output {
    let mut cargo = Command::new(var("CARGO"));
    cargo
        .current_dir(images)
        .args(["build", "--release", "--workspace", "--bins"])
        .args(["--target", TARGET])
        .arg("--target-dir")
        .arg(target);
    if locked {
        cargo.arg("--locked");
    }
    for (name, _) in env::vars_os() {
        if is_of_this_build(&name.to_string_lossy()) {
            cargo.env_remove(&name);
        }
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(root, images).join("\x1f"));
    cargo
        .output()
        .unwrap_or_else(|error| fail(&format!("cannot run cargo for the images: {error}")))
}

/// Whether a variable was set for this build script, or for the host program's compilation.
fn is_of_this_build(name: &str) -> bool {
    const KEPT: [&str; 3] = ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_TERM_COLOR"];
    const KEPT_PREFIXES: [&str; 4] = [
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTRIES_",
        "CARGO_SOURCE_",
    ];
    const REMOVED: [&str; 14] = [
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_LINKER",
        "RUSTDOC",
        "CLIPPY_ARGS",
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "OUT_DIR",
    ];
    const REMOVED_PREFIXES: [&str; 3] = ["CARGO", "__CARGO", "DEP_"];
    if KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return false;
    }
    REMOVED.contains(&name)
        || REMOVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

fn flags(root: &Path, images: &Path) -> Vec<String> {
    let mut flags = vec![
        format!("-Ctarget-cpu={TARGET_CPU}"),
        "-Crelocation-model=static".to_owned(),
        "-Cforce-unwind-tables=no".to_owned(),
        // Paths in panic messages begin at the repository.
        format!("--remap-path-prefix={}/=", root.display()),
    ];
    let script = format!("-T{}", images.join("link.ld").display());
    let link_args = ["-nostartfiles", "-nostdlib", "-static", "-no-pie", &script];
    flags.extend(link_args.iter().map(|arg| format!("-Clink-arg={arg}")));
    flags
}

/// `OUT_DIR` is `<target>[/<triple>]/<profile>/build/<package>-<hash>/out`.
fn target_directory(out: &Path) -> PathBuf {
    let profile = out.ancestors().nth(3);
    let above = profile.and_then(Path::parent);
    let directory = match above {
        Some(above) if above.ends_with(var("TARGET")) => above.parent(),
        above => above,
    };
    directory
        .unwrap_or_else(|| fail(&format!("no target directory above {}", out.display())))
        .to_owned()
}

fn var(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| fail(&format!("cargo did not set {name}")))
}

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    std::process::exit(1)
}
