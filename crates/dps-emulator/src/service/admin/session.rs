//! `GET /admin/session`: the page token for the service's own page, so that whoever opens it on the
//! machine where the service runs need not type it. What a browser does for other pages is told from
//! that by the Host (a name that was made to lead here), by `Origin` and by `Sec-Fetch-Site`.

use super::AdminError;
use crate::service::api::ApiError;
use crate::service::{ApiAnswer, ApiRequest, Service};
use core::net::IpAddr;
use http::Method;
use serde::Serialize;

/// Where a request comes from, as far as the connection and the request's head tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Provenance<'a> {
    pub(crate) peer: Option<IpAddr>,
    /// The header `Origin`.
    pub(crate) origin: Option<&'a str>,
    /// The header `Sec-Fetch-Site`, which browsers set and pages cannot.
    pub(crate) fetch_site: Option<&'a str>,
    /// A proxy says that it stands in between.
    pub(crate) is_forwarded: bool,
}

/// Why somebody must show the token instead of being given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranger {
    #[error("the service listens to more than this machine")]
    OpenService,
    #[error("the connection is not from this machine")]
    OtherMachine,
    #[error("the Host is no name of this machine")]
    OtherHost,
    #[error("another page asks (Origin)")]
    OtherOrigin,
    #[error("another page asks (Sec-Fetch-Site)")]
    OtherSite,
}

#[derive(Serialize)]
struct Session<'a> {
    token: &'a str,
}

pub(super) fn answer(
    service: &Service,
    request: &ApiRequest<'_>,
    from: &Provenance<'_>,
) -> Result<ApiAnswer, AdminError> {
    if request.method != Method::GET {
        return Err(ApiError::WrongMethod.into());
    }
    check(service, request.host, from)?;
    Ok(ApiAnswer::ok(&Session { token: service.page_token() }))
}

fn check(service: &Service, host: &str, from: &Provenance<'_>) -> Result<(), Stranger> {
    let settings = &service.settings;
    if !settings.address.is_loopback() {
        return Err(Stranger::OpenService);
    }
    let is_near = from.peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    if !is_near || from.is_forwarded {
        return Err(Stranger::OtherMachine);
    }
    if !is_own_name(bare(host), &settings.server_names) {
        return Err(Stranger::OtherHost);
    }
    let is_own_page = |origin: &str| {
        let (scheme, rest) = origin.split_once("://").unwrap_or_default();
        scheme.eq_ignore_ascii_case("https") && rest.eq_ignore_ascii_case(host)
    };
    if !from.origin.is_none_or(is_own_page) {
        return Err(Stranger::OtherOrigin);
    }
    // Pages on other ports of this machine are of the same site, and not ours.
    match from.fetch_site {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(Stranger::OtherSite),
    }
}

/// A Host without its port and brackets.
fn bare(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_own_name(name: &str, server_names: &[String]) -> bool {
    if server_names.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return true;
    }
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let name = name.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EmulatorConfig;
    use crate::random::Random;

    fn service(address: &str) -> Service {
        let config = EmulatorConfig {
            address: address.parse().unwrap(),
            server_names: vec!["dps.test".to_owned(), "10.0.0.9".to_owned()],
            ..EmulatorConfig::default()
        };
        Service::new(&config, Random::from_seed([9; 32])).unwrap()
    }

    fn near() -> Provenance<'static> {
        Provenance { peer: Some("127.0.0.1".parse().unwrap()), ..Provenance::default() }
    }

    #[test]
    fn the_own_page_and_programs_on_this_machine_are_no_strangers() {
        let service = service("127.0.0.1");
        for host in [
            "localhost:8443",
            "LOCALHOST",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:443",
            "[::1]",
            "contoso-hub.localhost",
            "dps.test:7",
            "10.0.0.9",
        ] {
            assert_eq!(check(&service, host, &near()), Ok(()), "{host}");
        }
        for (origin, fetch_site) in [
            (Some("https://localhost:8443"), Some("same-origin")),
            (Some("HTTPS://LocalHost:8443"), None),
            (None, Some("none")),
        ] {
            let from = Provenance { origin, fetch_site, ..near() };
            assert_eq!(check(&service, "localhost:8443", &from), Ok(()));
        }
        let mapped = Some("::ffff:127.0.0.1".parse().unwrap());
        let from = Provenance { peer: mapped, ..near() };
        assert_eq!(check(&service, "localhost", &from), Ok(()));
    }

    #[test]
    fn all_others_are() {
        let here = service("127.0.0.1");
        for host in [
            "",
            "evil.test",
            "localhost.evil.test",
            "notlocalhost",
            "10.0.0.8",
            "[2001:db8::1]:443",
            "127.0.0.1.evil.test:80",
        ] {
            assert_eq!(check(&here, host, &near()), Err(Stranger::OtherHost), "{host}");
        }
        for origin in [
            "null",
            "",
            "https://evil.test",
            "http://localhost:8443",
            "https://localhost",
            "https://localhost:3000",
            "https://localhost:8443.evil.test",
        ] {
            let from = Provenance { origin: Some(origin), ..near() };
            let told = check(&here, "localhost:8443", &from);
            assert_eq!(told, Err(Stranger::OtherOrigin), "{origin}");
        }
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            let from = Provenance { fetch_site: Some(site), ..near() };
            assert_eq!(check(&here, "localhost", &from), Err(Stranger::OtherSite), "{site}");
        }
        let far = [
            Provenance { peer: None, ..near() },
            Provenance { peer: Some("192.0.2.1".parse().unwrap()), ..near() },
            Provenance { is_forwarded: true, ..near() },
        ];
        for from in far {
            assert_eq!(check(&here, "localhost", &from), Err(Stranger::OtherMachine));
        }
        for address in ["0.0.0.0", "::", "192.0.2.1"] {
            let open = service(address);
            assert_eq!(check(&open, "localhost", &near()), Err(Stranger::OpenService));
        }
    }
}
