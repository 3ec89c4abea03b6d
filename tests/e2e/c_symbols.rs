//! Which names the C libraries define: no more than is meant, and which of the original's
//! (`c-abi.md` section 7.2).
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_tests::{c_build, root, run};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn static_library() -> PathBuf {
    c_build().join("cargo/release-lib/libdps.a")
}

fn shared_library() -> PathBuf {
    c_build().join("shared/libdps.so.1.0.0")
}

/// The names that others can link against.
fn defined(library: &Path, table: &[&str]) -> BTreeSet<String> {
    let mut nm = Command::new("nm");
    nm.args(["--defined-only", "--extern-only", "--format=posix"]).args(table).arg(library);
    let listed = run(&mut nm, Duration::from_secs(60)).success().stdout;
    // "name type value size"; of an archive nm prints other lines too.
    let names = listed.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (name, kind) = (fields.next()?, fields.next()?);
        (kind.len() == 1).then(|| name.to_owned())
    });
    names.collect()
}

/// The lines of a text file that are no comments.
fn lines(path: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// `*` at the end of a pattern stands for anything.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[test]
fn the_shared_library_defines_the_c_api_and_nothing_else() {
    let wanted: BTreeSet<String> = lines("tests/c/symbols/api.txt").into_iter().collect();
    assert_eq!(defined(&shared_library(), &["--dynamic"]), wanted);
}

#[test]
fn the_archive_defines_the_c_api_and_names_that_cannot_clash() {
    let api: BTreeSet<String> = lines("tests/c/symbols/api.txt").into_iter().collect();
    let others = lines("tests/c/symbols/archive.txt");
    let names = defined(&static_library(), &[]);
    let missing: Vec<_> = api.difference(&names).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let strange: Vec<_> = names
        .difference(&api)
        .filter(|name| !others.iter().any(|pattern| fits(name, pattern)))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// Whoever brings security modules of these names has them taken; and what is linked beside c-utility
/// has none of its names.
#[test]
fn nothing_that_others_define_is_in_the_way() {
    let library = defined(&static_library(), &[]);
    let modules: Vec<_> = library.iter().filter(|name| name.starts_with("hsm_client_")).collect();
    assert!(modules.is_empty(), "{modules:?}");
    let mut ours: BTreeSet<String> = lines("tests/c/symbols/api.txt")
        .into_iter()
        .chain(lines("tests/c/symbols/hsm.txt"))
        .chain(lines("tests/c/symbols/hsm_interfaces.txt"))
        .collect();
    ours.retain(|name| {
        ["BUFFER_", "STRING_", "Azure_", "ThreadAPI_", "platform_"]
            .iter()
            .any(|p| name.starts_with(p))
    });
    assert!(ours.is_empty(), "{ours:?}");
    for name in ["hsm", "hsm_interfaces"] {
        let wanted = lines(&format!("tests/c/symbols/{name}.txt"));
        let wanted: BTreeSet<String> = wanted.into_iter().collect();
        assert_eq!(defined(&c_build().join(format!("libdps_{name}.a")), &[]), wanted);
    }
}

#[test]
fn the_shared_library_bears_its_name_and_needs_the_c_library_only() {
    let mut readelf = Command::new("readelf");
    let listed = run(readelf.arg("-d").arg(shared_library()), Duration::from_secs(60)).success();
    let listed = listed.stdout;
    assert!(listed.contains("soname: [libdps.so.1]"), "{listed}");
    for line in listed.lines().filter(|line| line.contains("(NEEDED)")) {
        let known = ["libc.so.6", "libgcc_s.so.1", "libm.so.6", "libpthread", "libdl", "ld-linux"];
        assert!(known.iter().any(|name| line.contains(name)), "{line}");
    }
    assert!(!listed.contains("RPATH") && !listed.contains("RUNPATH"), "{listed}");
}

/// Of the API of 2017, in archives of their own (`c-abi.md` section 11).
#[test]
fn the_archives_of_2017_define_what_the_list_says() {
    let listed = lines("tests/c/symbols/dps_client.txt");
    let names_of = |archive: &str| -> BTreeSet<String> {
        let entries = listed.iter().filter_map(|line| line.split_once(' '));
        entries.filter(|(listed, _)| *listed == archive).map(|(_, name)| name.to_owned()).collect()
    };
    for archive in [
        "dps_client",
        "dps_security_x509",
        "dps_security_x509_custom",
        "dps_security_tpm_custom",
        "dps_custom_hsm_defaults",
    ] {
        let file = c_build().join(format!("lib{archive}.a"));
        assert_eq!(defined(&file, &[]), names_of(archive), "{archive}");
    }
    // None of them has a name of libdps, so that a program can use both.
    let ours = defined(&static_library(), &[]);
    for line in &listed {
        let (_, name) = line.split_once(' ').unwrap();
        assert!(!ours.contains(name), "{line}");
    }
}

/// One of the original's names, or a family of them.
struct Original {
    library: String,
    name: String,
    count: usize,
    why_not: String,
}

fn originals() -> Vec<Original> {
    let reasons = lines("tests/c/symbols/original.txt");
    let field = |line: &str, at: usize| line.splitn(4, ' ').nth(at).unwrap().to_owned();
    reasons
        .iter()
        .map(|line| Original {
            library: field(line, 0),
            name: field(line, 1),
            count: field(line, 2).parse().unwrap(),
            why_not: field(line, 3),
        })
        .collect()
}

const BEGIN: &str = "<!-- The table is written by tests/e2e/c_symbols.rs. -->\n";
const END: &str = "<!-- End of the table. -->\n";

/// `DPS_UPDATE_DOCS=1 cargo test -p dps-tests --test c_symbols` writes the table anew.
#[test]
fn the_documents_table_of_the_originals_names_is_what_nm_says() {
    let ours = defined(&static_library(), &[]);
    let beside = ["libdps_compat", "libdps_hsm", "libdps_hsm_interfaces"]
        .map(|name| (name, defined(&c_build().join(format!("{name}.a")), &[])));
    let originals = originals();
    assert_eq!(originals.iter().map(|original| original.count).sum::<usize>(), 144);
    let mut provided = 0;
    let mut table = String::new();
    let mut library = "";
    for original in &originals {
        let has = |names: &BTreeSet<String>| names.iter().any(|name| fits(name, &original.name));
        let answer = if has(&ours) {
            assert_eq!(original.count, 1, "{}: give each name a line", original.name);
            assert_eq!(original.why_not, "-", "{} is there by now", original.name);
            provided += 1;
            "libdps"
        } else if let Some((name, _)) = beside.iter().find(|(_, names)| has(names)) {
            assert_eq!(original.why_not, "-", "{} is there by now", original.name);
            provided += 1;
            name
        } else {
            assert_ne!(original.why_not, "-", "{} is missing", original.name);
            original.why_not.as_str()
        };
        let shown = if original.library == library { "" } else { original.library.as_str() };
        library = &original.library;
        let many =
            if original.count > 1 { format!(" ({})", original.count) } else { String::new() };
        writeln!(table, "| {shown} | `{}`{many} | {answer} |", original.name).unwrap();
    }
    let generated = format!(
        "\n{provided} of the 144 names are provided.\n\n| Library | Name | Provided by, or why not \
         |\n|---|---|---|\n{table}\n"
    );

    let path = root().join("docs/c-api.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("the document has a place for it");
    let (written, after) = rest.split_once(END).expect("the document's place for it ends");
    if std::env::var_os("DPS_UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{generated}{END}{after}")).unwrap();
        return;
    }
    assert!(
        written == generated,
        "docs/c-api.md differs from the libraries; run this test with DPS_UPDATE_DOCS=1"
    );
}
