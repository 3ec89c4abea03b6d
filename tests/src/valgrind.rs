//! Memcheck.

use crate::root;

/// valgrind's command, which has programs fail that err or leak.
///
/// It runs one thread at a time. Without turns among them, one that always works keeps the others from
/// running at all.
pub fn valgrind() -> Vec<String> {
    let suppressions = root().join("tests/c/valgrind.supp");
    [
        "valgrind",
        &format!("--suppressions={}", suppressions.display()),
        "--quiet",
        "--fair-sched=yes",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite,indirect,possible",
        "--errors-for-leak-kinds=definite,indirect,possible",
    ]
    .map(str::to_owned)
    .to_vec()
}
