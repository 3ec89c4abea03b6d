//! PKCS#11 libraries: which one, and each loaded and initialised once per process.

use crate::error::{code, reason};
use crate::{Pkcs11Error, Pkcs11Uri};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as CallError, RvError};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Names the module in the environment.
const VARIABLE: &str = "PKCS11_MODULE_PATH";
/// p11-kit's module, behind which are all that it has been told of.
const PROXY: &str =
    if cfg!(target_os = "macos") { "p11-kit-proxy.dylib" } else { "p11-kit-proxy.so" };

/// What has been loaded, with the process that has initialised it: after a fork the child must
/// initialise again. Nothing is ever finalised or unloaded, since others in the process, such as
/// OpenSSL, may use the same library.
static LOADED: LazyLock<Mutex<HashMap<PathBuf, (Pkcs11, u32)>>> = LazyLock::new(Mutex::default);

/// The module for a URI, ready for use.
pub(crate) fn load(uri: &Pkcs11Uri, given: Option<&Path>) -> Result<Pkcs11, Pkcs11Error> {
    let mut failure = Pkcs11Error::NoModule;
    for path in candidates(uri, given)? {
        match open(&path) {
            Ok(module) => return Ok(module),
            Err(error) => failure = error,
        }
    }
    // p11-kit is what nobody has asked for.
    match failure {
        Pkcs11Error::ModuleUnusable { path, .. } if path == PROXY => Err(Pkcs11Error::NoModule),
        other => Err(other),
    }
}

/// The paths or names to try, the one that says most about the failure last.
fn candidates(uri: &Pkcs11Uri, given: Option<&Path>) -> Result<Vec<PathBuf>, Pkcs11Error> {
    let file_names = |name: &str| {
        let suffix = std::env::consts::DLL_SUFFIX;
        [format!("{name}{suffix}"), format!("lib{name}{suffix}")]
    };
    if let Some(path) = &uri.module_path {
        // RFC 7512 section 2.4: a directory goes with a name.
        return Ok(match &uri.module_name {
            Some(name) if path.is_dir() => file_names(name).map(|file| path.join(file)).to_vec(),
            _ => vec![path.clone()],
        });
    }
    if let Some(name) = &uri.module_name {
        if name.contains('/') {
            let expected = "a name without directory; module-path takes a path";
            return Err(crate::UriError::Value { name: "module-name", expected }.into());
        }
        return Ok(file_names(name).map(PathBuf::from).to_vec());
    }
    let variable = || std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    Ok(vec![given.map_or_else(
        || variable().unwrap_or_else(|| OsString::from(PROXY)).into(),
        Path::to_path_buf,
    )])
}

fn open(path: &Path) -> Result<Pkcs11, Pkcs11Error> {
    let shown = || path.display().to_string();
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    let module = match loaded.get(path) {
        Some((module, owner)) if *owner == process => return Ok(module.clone()),
        Some((module, _)) => module.clone(),
        None => {
            if path.components().count() > 1 && !path.exists() {
                return Err(Pkcs11Error::ModuleMissing { path: shown() });
            }
            Pkcs11::new(path).map_err(|error| Pkcs11Error::ModuleUnusable {
                path: shown(),
                reason: why_not_loaded(&error),
            })?
        }
    };
    initialise(&module).map_err(|error| Pkcs11Error::ModuleUnusable {
        path: shown(),
        reason: format!("it does not start: {}", reason(&error)),
    })?;
    loaded.insert(path.to_path_buf(), (module.clone(), process));
    Ok(module)
}

/// Another part of the process may have done so already, which is as good.
pub(crate) fn initialise(module: &Pkcs11) -> Result<(), CallError> {
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Err(error) if code(&error) == Some(RvError::CryptokiAlreadyInitialized) => Ok(()),
        other => other,
    }
}

fn why_not_loaded(error: &CallError) -> String {
    match error {
        CallError::LibraryLoading(error) => error.to_string(),
        CallError::MissingSymbol(_) => "it is a library, but not one for PKCS#11".to_owned(),
        other => reason(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(uri: &str, given: Option<&str>) -> Pkcs11Error {
        load(&Pkcs11Uri::parse(uri).unwrap(), given.map(Path::new)).unwrap_err()
    }

    #[test]
    fn a_file_that_is_no_module_is_told_apart() {
        let missing = refusal("pkcs11:?module-path=/no/such.so", None);
        assert_eq!(missing, Pkcs11Error::ModuleMissing { path: "/no/such.so".into() });
        let text = std::env::temp_dir().join(format!("dps-module-{}.so", std::process::id()));
        // Longer than the head of a library.
        std::fs::write(&text, "this is no library".repeat(10)).unwrap();
        let not_a_library = refusal("pkcs11:", text.to_str()).to_string();
        std::fs::remove_file(&text).unwrap();
        assert!(not_a_library.contains("cannot be loaded"), "{not_a_library}");
        let named = not_a_library.contains("invalid ELF header");
        assert!(named || !cfg!(target_os = "linux"), "{not_a_library}");
        if cfg!(target_os = "linux") {
            let other = refusal("pkcs11:?module-name=no-such-module", None).to_string();
            assert!(other.contains("libno-such-module.so cannot be loaded"), "{other}");
            let no_module = refusal("pkcs11:", Some("libm.so.6")).to_string();
            assert!(no_module.contains("not one for PKCS#11"), "{no_module}");
        }
    }

    #[test]
    fn the_uri_goes_before_what_is_given() {
        let paths = |uri: &str| candidates(&Pkcs11Uri::parse(uri).unwrap(), Some(Path::new("/b")));
        assert_eq!(paths("pkcs11:?module-path=/a"), Ok(vec!["/a".into()]));
        assert_eq!(paths("pkcs11:"), Ok(vec!["/b".into()]));
        if cfg!(target_os = "linux") {
            assert_eq!(
                paths("pkcs11:?module-path=/tmp&module-name=x"),
                Ok(vec!["/tmp/x.so".into(), "/tmp/libx.so".into()])
            );
        }
        assert!(paths("pkcs11:?module-name=/x").is_err());
    }
}
