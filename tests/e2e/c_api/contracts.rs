//! docs/c-contracts.md: every contract and improvement has a row, and every test that a row names
//! exists.

use dps_tests::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The improvements of section 10 that programs get, and those that they may ask for.
const IMPROVEMENTS: [u32; 31] = [
    1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15, 17, 19, 21, 22, 23, 24, 25, 27, 28, 29, 30, 31, 36,
    37, 38, 39, 40, 42,
];
const OPT_IN: [u32; 4] = [7, 19, 24, 25];
/// What there is no test for, and no equivalent.
const NOT_PROVIDED: [u32; 1] = [89];

/// The rows of the table under a heading, by their number.
fn table(document: &str, heading: &str) -> BTreeMap<u32, Vec<String>> {
    let (_, rest) = document.split_once(heading).expect("the heading");
    let section = rest.split("\n## ").next().unwrap();
    let mut rows = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<String> =
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        if let Ok(number) = cells[0].parse() {
            assert!(rows.insert(number, cells).is_none(), "{number} is there twice");
        }
    }
    rows
}

/// What stands in backticks.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// All that a row may name.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let scenarios = fs::read_to_string(root().join("tests/c/scenarios.c")).unwrap();
    for line in scenarios.lines().filter_map(|line| line.trim().strip_prefix("{ \"")) {
        if let Some((name, rest)) = line.split_once("\", ")
            && rest.starts_with(&format!("{name}, "))
        {
            known.insert(name.to_owned());
        }
    }
    let situations: Vec<String> =
        super::matrix::rows().iter().map(|row| format!("situation: {}", row.situation)).collect();
    let distinct = situations.len();
    known.extend(situations.iter().cloned());
    assert_eq!(situations.into_iter().collect::<BTreeSet<_>>().len(), distinct);
    for folder in ["crates", "tests"] {
        tests_below(&root().join(folder), &mut known);
    }
    known
}

fn tests_below(folder: &Path, known: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.') || name == "node_modules";
        if entry.file_type().unwrap().is_dir() && !hidden {
            tests_below(&path, known);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            for after in source.split("#[test]").skip(1) {
                let name = after.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
                known.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
}

#[test]
fn every_contract_and_improvement_names_tests_that_exist() {
    let document = fs::read_to_string(root().join("docs/c-contracts.md")).unwrap();
    let known = known();
    let contracts = table(&document, "## Contracts (section 9)");
    assert!(contracts.keys().copied().eq(1..=120), "{:?}", contracts.keys());
    let improvements = table(&document, "## Improvements (section 10)");
    assert!(improvements.keys().copied().eq(IMPROVEMENTS), "{:?}", improvements.keys());
    for (number, row) in &improvements {
        let expected = if OPT_IN.contains(number) { "opt-in" } else { "default" };
        assert_eq!(row[2], expected, "{number}");
    }
    for (number, row) in contracts.iter().chain(&improvements) {
        let tests = row.last().unwrap();
        let named = names(tests);
        let excused = NOT_PROVIDED.contains(number) && tests.starts_with("Not provided: ");
        assert!(!named.is_empty() || excused, "{number} has no test: {tests}");
        for name in named {
            assert!(known.contains(name), "{number}: there is no {name}");
        }
    }
}
