//! Which proxy to go through: the option's, or the environment's. The crates below look at no
//! environment.

mod no_proxy;

use crate::arguments::ProxyOptions;
use crate::exit;
use crate::failure::Failure;
use dps_client::{Endpoint, Proxy};
use no_proxy::NoProxy;
use zeroize::Zeroizing;

/// What the command line and the environment say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choice<'a> {
    /// `--proxy`: goes before everything else.
    pub(crate) url: Option<&'a str>,
    /// `--no-proxy`: the environment does not count.
    pub(crate) ignore_environment: bool,
}

impl<'a> From<&'a ProxyOptions> for Choice<'a> {
    fn from(options: &'a ProxyOptions) -> Self {
        Self { url: options.proxy.as_deref(), ignore_environment: options.no_proxy }
    }
}

impl Choice<'_> {
    /// The proxy to reach `endpoint` by, whose port is `port` unless it has one.
    pub(crate) fn proxy(self, endpoint: &Endpoint, port: u16) -> Result<Option<Proxy>, Failure> {
        self.choose(endpoint, port, |name| std::env::var(name).ok())
    }

    /// The URL of the proxy to reach `host` by. It may hold a password.
    pub(crate) fn url_for(
        self,
        host: &str,
        port: u16,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        let Some((name, url)) = self.find(host, port, |name| std::env::var(name).ok()) else {
            return Ok(None);
        };
        parse(name, &url)?;
        Ok(Some(Zeroizing::new(match url.contains("://") {
            true => url,
            false => format!("http://{url}"),
        })))
    }

    fn choose(
        self,
        endpoint: &Endpoint,
        port: u16,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Proxy>, Failure> {
        let port = endpoint.port().unwrap_or(port);
        let found = self.find(endpoint.host(), port, variable);
        found.map(|(name, url)| parse(name, &url)).transpose()
    }

    /// What names the proxy, and its URL.
    fn find(
        self,
        host: &str,
        port: u16,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Option<(&'static str, String)> {
        if let Some(url) = self.url {
            return Some(("--proxy", url.to_owned()));
        }
        if self.ignore_environment {
            return None;
        }
        // The first that is set, even to nothing, which says: none.
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| variable(name).map(|value| (name, value)))
        };
        let (name, url) = first(["https_proxy", "HTTPS_PROXY"])?;
        let exceptions = first(["no_proxy", "NO_PROXY"]).map(|(_, value)| value);
        let is_direct = url.trim().is_empty()
            || NoProxy::parse(&exceptions.unwrap_or_default()).covers(host, port);
        (!is_direct).then_some((name, url))
    }
}

/// No message repeats the URL: it may hold a password.
fn parse(name: &str, url: &str) -> Result<Proxy, Failure> {
    Proxy::parse(url).map_err(|error| {
        Failure::new(exit::CONFIG, format!("{name} is not a proxy"))
            .why(error)
            .remedy("give http://host:port or https://user:password@host:port")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(choice: Choice<'_>, endpoint: &str, variables: &[(&str, &str)]) -> String {
        let endpoint = Endpoint::parse(endpoint).unwrap();
        let variable = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match choice.choose(&endpoint, 8883, variable) {
            Ok(proxy) => proxy.map_or("none".into(), |proxy| proxy.to_string()),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn the_option_goes_before_the_environment() {
        let environment = [("HTTPS_PROXY", "http://env:1"), ("NO_PROXY", "*")];
        let option = Choice { url: Some("http://option:2"), ignore_environment: false };
        assert_eq!(choose(option, "dps.test", &environment), "http://option:2");
        let environment = [("HTTPS_PROXY", "http://env:1")];
        assert_eq!(choose(Choice::default(), "dps.test", &environment), "http://env:1");
        let ignore = Choice { url: None, ignore_environment: true };
        assert_eq!(choose(ignore, "dps.test", &environment), "none");
        assert_eq!(choose(Choice::default(), "dps.test", &[]), "none");
    }

    #[test]
    fn the_lower_case_variable_goes_first_and_an_empty_one_means_none() {
        let both = [("https_proxy", "lower:1"), ("HTTPS_PROXY", "upper:2")];
        assert_eq!(choose(Choice::default(), "dps.test", &both), "http://lower:1");
        let both = [("https_proxy", ""), ("HTTPS_PROXY", "upper:2")];
        assert_eq!(choose(Choice::default(), "dps.test", &both), "none");
    }

    #[test]
    fn exceptions_and_this_machine_are_reached_directly() {
        for (endpoint, expected) in [
            ("dps.test", "none"),
            ("dps.test:443", "http://p:1"),
            ("other.test", "http://p:1"),
            ("localhost:8883", "none"),
            ("127.0.0.2", "none"),
            ("[::1]", "none"),
        ] {
            let variables = [("HTTPS_PROXY", "p:1"), ("no_proxy", "dps.test:8883")];
            assert_eq!(choose(Choice::default(), endpoint, &variables), expected, "{endpoint}");
        }
    }

    #[test]
    fn a_wrong_url_is_named_by_where_it_stands_and_not_repeated() {
        let wrong = "socks5://user:secret@p";
        let option = Choice { url: Some(wrong), ignore_environment: false };
        for (text, name) in [
            (choose(option, "dps.test", &[]), "--proxy"),
            (choose(Choice::default(), "dps.test", &[("HTTPS_PROXY", wrong)]), "HTTPS_PROXY"),
        ] {
            assert!(text.contains(&format!("{name} is not a proxy")), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
