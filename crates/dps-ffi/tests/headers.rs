//! The C headers agree with the code, with each other, and with every compiler at hand.

// A failed step of a test is a failed test, also in the functions that tests share.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn root() -> PathBuf {
    crate_folder().join("../..")
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// `DPS_UPDATE_HEADERS=1 cargo test -p dps-ffi --test headers` writes the header anew.
#[test]
fn the_generated_header_is_up_to_date() {
    let config = cbindgen::Config::from_file(crate_folder().join("cbindgen.toml")).unwrap();
    let bindings =
        cbindgen::Builder::new().with_config(config).with_crate(crate_folder()).generate().unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).unwrap();
    let path = root().join("include/dps/dps_abi.h");
    if std::env::var_os("DPS_UPDATE_HEADERS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == text,
        "include/dps/dps_abi.h differs from the code; run this test with DPS_UPDATE_HEADERS=1"
    );
}

fn text(pointer: *const std::ffi::c_char) -> &'static str {
    // SAFETY: the version functions give strings that live for ever.
    #[allow(unsafe_code)]
    unsafe { std::ffi::CStr::from_ptr(pointer) }.to_str().unwrap()
}

#[test]
fn version_macros_agree_with_the_code() {
    let package = env!("CARGO_PKG_VERSION");
    let dps = read("include/dps/dps.h");
    assert!(dps.contains(&format!("#define DPS_VERSION \"{package}\"\n")));
    let numbers: Vec<&str> = package.split('.').collect();
    for (part, number) in ["MAJOR", "MINOR", "PATCH"].iter().zip(&numbers) {
        assert!(dps.contains(&format!("#define DPS_VERSION_{part} {number}\n")), "{part}");
    }
    assert_eq!(text(dps::exports::dps_version()), package);

    let interface = text(dps::exports::Prov_Device_GetVersionString());
    assert_eq!(text(dps::exports::Prov_Device_LL_GetVersionString()), interface);
    let constants = read("include/azure_prov_client/prov_client_const.h");
    let line = format!("#define PROV_DEVICE_CLIENT_VERSION \"{interface}\"\n");
    assert!(constants.contains(&line));
}

const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"];
const C: [(&str, &[&str]); 3] = [
    ("gcc", &["-std=c99", "-xc"]),
    ("clang", &["-std=c99", "-xc"]),
    ("gcc", &["-std=gnu99", "-xc"]),
];
const CPP: [(&str, &[&str]); 2] =
    [("g++", &["-std=c++17", "-xc++"]), ("clang++", &["-std=c++17", "-xc++"])];

/// Compiles with each compiler that is installed; at least one must be.
fn compiles(source: &Path, compilers: &[(&str, &[&str])]) {
    compile_all(std::slice::from_ref(&source), compilers);
}

/// The same for several files at once.
fn compile_all(sources: &[impl AsRef<Path>], compilers: &[(&str, &[&str])]) {
    let mut compiled = 0;
    for (compiler, flags) in compilers {
        let include = root().join("include");
        let output = Command::new(compiler)
            .args(*flags)
            .args(STRICT)
            .arg("-I")
            .arg(&include)
            .arg("-I")
            .arg(include.join("compat"))
            .arg("-I")
            .arg(include.join("dps_client/inc"))
            .arg("-I")
            .arg(include.join("dps_client/adapters"))
            .args(sources.iter().map(AsRef::as_ref))
            .output();
        let Ok(output) = output else { continue };
        let words = String::from_utf8_lossy(&output.stderr);
        let first = sources.first().map(|source| source.as_ref().display().to_string());
        assert!(output.status.success(), "{compiler} {flags:?} {first:?}:\n{words}");
        compiled += 1;
    }
    assert!(compiled > 0, "no compiler found");
}

fn scratch(name: &str, source: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("headers");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, source).unwrap();
    path
}

/// All headers, as programs name them.
fn headers() -> Vec<String> {
    fn collect(folder: &Path, below: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("include/compat") {
                collect(&path, below, found);
            } else if path.extension().is_some_and(|extension| extension == "h") {
                found.push(path.strip_prefix(below).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    for below in [root().join("include"), root().join("include/compat")] {
        collect(&below, &below, &mut found);
    }
    found.sort();
    assert!(found.len() >= 40, "{found:?}");
    found
}

fn includes<'a>(headers: impl Iterator<Item = &'a String>) -> String {
    headers.map(|header| format!("#include \"{header}\"\n")).collect()
}

#[test]
fn each_header_stands_alone_and_bears_a_second_inclusion() {
    for header in headers() {
        let source = format!("#include \"{header}\"\n#include \"{header}\"\nint unused;\n");
        let name = header.replace('/', "_");
        compiles(&scratch(&format!("{name}.c"), &source), &C);
        compiles(&scratch(&format!("{name}.cc"), &source), &CPP);
    }
}

/// Together with the generated header this proves that the hand-written prototypes are those of
/// the code: a compiler refuses conflicting declarations.
#[test]
fn all_headers_go_together_in_any_order() {
    let headers = headers();
    // Before the header of 2017 that makes a macro of iothub_security_init. The hand-written header of
    // today is included by that one itself.
    let generated = "#include \"dps/dps_abi.h\"\n";
    let forwards = format!("{generated}{}int unused;\n", includes(headers.iter()));
    let backwards = format!("{generated}{}int unused;\n", includes(headers.iter().rev()));
    for (name, source) in [("forwards", forwards), ("backwards", backwards)] {
        compiles(&scratch(&format!("{name}.c"), &source), &C);
        compiles(&scratch(&format!("{name}.cc"), &source), &CPP);
    }
}

/// Whichever two a program includes, and in which order: one compiler for each language, since all of
/// them have seen each header alone and all together. The stand-ins for other libraries' headers
/// come along, since ours include them. Those of 2017 are not for the same programs, and the
/// generated one is for no program.
#[test]
fn any_two_headers_go_together_in_either_order() {
    let ours = |header: &String| {
        let apart = header.starts_with("dps_client/") || header == "dps/dps_abi.h";
        !apart && root().join("include").join(header).exists()
    };
    let headers: Vec<String> = headers().into_iter().filter(ours).collect();
    assert!(headers.len() >= 14, "{headers:?}");
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(first) =
                    headers.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
                {
                    let (mut c, mut cpp) = (Vec::new(), Vec::new());
                    for second in headers.iter().filter(|second| *second != first) {
                        let source = includes([first, second].into_iter()) + "int unused;\n";
                        let name = format!("{first}-{second}").replace('/', "_");
                        c.push(scratch(&format!("{name}.c"), &source));
                        cpp.push(scratch(&format!("{name}.cc"), &source));
                    }
                    compile_all(&c, &[("gcc", &["-std=c99", "-xc"])]);
                    compile_all(&cpp, &[("clang++", &["-std=c++17", "-xc++"])]);
                }
            });
        }
    });
}

/// The proof above is worth something: a wrong prototype is refused.
#[test]
fn a_wrong_prototype_does_not_compile() {
    let wrong = "#include \"dps/dps_abi.h\"\nint Prov_Device_LL_Destroy(int handle);\n";
    let source = scratch("wrong.c", wrong);
    let include = root().join("include");
    let status = Command::new("cc")
        .args(["-fsyntax-only", "-I"])
        .arg(&include)
        .arg("-I")
        .arg(include.join("compat"))
        .arg(source)
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
}
