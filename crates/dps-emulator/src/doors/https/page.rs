//! The web page: static files, the same for everyone. What it shows, it asks of the service API and
//! the admin API, and shows its token there.

use super::{Caller, answer};
use crate::service::Refusal;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use std::sync::Arc;

/// Nothing from elsewhere, no text that becomes a script or an element, and no frame around it. The
/// page sends no form by itself and has no images but its icon.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
     form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const ICON: &str = "image/svg+xml";

/// A file: its name below `/page/`, its type and its text.
type File = (&'static str, &'static str, &'static str);

macro_rules! files {
    ($($name:literal: $kind:expr,)*) => {
        [$(($name, $kind, include_str!(concat!("../../../page/", $name)))),*]
    };
}

const INDEX: &str = include_str!("../../../page/index.html");

const FILES: [File; 17] = files! {
    "page.css": CSS,
    "icon.svg": ICON,
    "main.js": SCRIPT,
    "api.js": SCRIPT,
    "device.js": SCRIPT,
    "dom.js": SCRIPT,
    "enrollment.js": SCRIPT,
    "enrollments.js": SCRIPT,
    "events.js": SCRIPT,
    "faults.js": SCRIPT,
    "fields.js": SCRIPT,
    "form.js": SCRIPT,
    "hubs.js": SCRIPT,
    "keys.js": SCRIPT,
    "overview.js": SCRIPT,
    "registrations.js": SCRIPT,
    "say.js": SCRIPT,
};

/// The page itself.
pub(super) fn index() -> Response {
    response(HTML, INDEX)
}

/// One of the files that it is made of.
pub(super) async fn file(State(caller): State<Arc<Caller>>, Path(name): Path<String>) -> Response {
    let _busy = caller.patience.request();
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => response(kind, text),
        None => answer::refusal(&caller, &Refusal::NoSuchPath),
    }
}

fn response(kind: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let there = std::fs::read_dir(folder).unwrap();
        let there: BTreeSet<String> =
            there.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        let served = FILES.iter().map(|(name, ..)| (*name).to_owned());
        assert_eq!(there, served.chain(["index.html".to_owned()]).collect());
    }

    #[test]
    fn the_page_is_small_and_needs_nothing_from_elsewhere() {
        let size: usize = FILES.iter().map(|(.., text)| text.len()).sum::<usize>() + INDEX.len();
        assert!(size < 100_000, "{size} bytes");
        for (name, _, text) in FILES.into_iter().chain([("index.html", HTML, INDEX)]) {
            // The icon's namespace is a name and nothing that is fetched.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for elsewhere in ["http:", "https:", "innerHTML", "outerHTML", "insertAdjacentHTML"] {
                assert!(!text.contains(elsewhere), "{name} has {elsewhere}");
            }
        }
    }
}
