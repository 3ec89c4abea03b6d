//! Memcheck.

use crate::root;

/// valgrind's command, which has programs fail that err or leak.
///
/// It runs one thread at a time, and one that never waits may keep the others from running at all. A
/// program that has such a thread wants `--fair-sched=yes` as well, which takes longer.
pub fn valgrind() -> Vec<String> {
    let suppressions = root().join("tests/c/valgrind.supp");
    [
        "valgrind",
        &format!("--suppressions={}", suppressions.display()),
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite,indirect,possible",
        "--errors-for-leak-kinds=definite,indirect,possible",
    ]
    .map(str::to_owned)
    .to_vec()
}
