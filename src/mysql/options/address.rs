//! Addresses of servers: `source.url` and `source.hosts`. No error repeats the text: a password may stand there.

use std::net::Ipv6Addr;

use super::Host;
use crate::{options::Error, percent, secret::Secret};

const URL: &str = "source.url";
const HOSTS: &str = "source.hosts";
const PORT: u16 = 3306;
const URL_SHAPE: &str = "write mysql://USER@HOST:PORT";

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    pub host: Host,
    pub user: String,
    /// `None` without a colon after the user.
    pub password: Option<Secret>,
}

pub(super) fn url(text: &str) -> Result<Address, Error> {
    url_of(URL, text)
}

/// The same for another setting.
pub fn url_of(key: &'static str, text: &str) -> Result<Address, Error> {
    let wrong = |problem: &str, remedy: &str| Error::new(key, problem, remedy);
    let rest = text
        .strip_prefix("mysql://")
        .ok_or_else(|| wrong("does not begin with mysql://", URL_SHAPE))?;
    // The last one: a password with a bare @ is understood too.
    let (user_info, place) = rest
        .rsplit_once('@')
        .ok_or_else(|| wrong("names no user", URL_SHAPE))?;
    let (authority, path) = match place.find(['/', '?', '#']) {
        Some(at) => place.split_at(at),
        None => (place, ""),
    };
    if !matches!(path, "" | "/") {
        return Err(wrong(
            "goes on after the port",
            "remove it: tables are chosen by source.tables, TLS by source.tls",
        ));
    }
    let (user, password) = match user_info.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (user_info, None),
    };
    let decode = |text: &str| {
        percent::decode(text).ok_or_else(|| {
            wrong(
                "has a % in user or password that is not an escape for UTF-8 text",
                "write % as %25, : as %3A, @ as %40, / as %2F",
            )
        })
    };
    let user = decode(user)?;
    if user.is_empty() {
        return Err(wrong("names no user", URL_SHAPE));
    }
    Ok(Address {
        host: host(key, authority)?,
        user,
        password: password.map(decode).transpose()?.map(Secret::new),
    })
}

pub(super) fn hosts(texts: &[String]) -> Result<Vec<Host>, Error> {
    texts
        .iter()
        .map(|text| {
            if text.contains(['@', '/']) {
                return Err(Error::new(
                    HOSTS,
                    "has an entry that is more than a host and a port",
                    "write \"HOST\" or \"HOST:PORT\"; user and password are those of source.url",
                ));
            }
            host(HOSTS, text)
        })
        .collect()
}

fn host(key: &'static str, text: &str) -> Result<Host, Error> {
    let wrong = |problem: &str, remedy: &str| Err(Error::new(key, problem, remedy));
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return wrong("has an open bracket", "write an IPv6 address as [::1]:3306");
        };
        if address.parse::<Ipv6Addr>().is_err() {
            return wrong(
                "has something else than an IPv6 address in brackets",
                "write it as [::1]:3306",
            );
        }
        let port = match port {
            "" => None,
            port => match port.strip_prefix(':') {
                Some(port) => Some(port),
                None => {
                    return wrong("goes on after the bracket", "write [ADDRESS]:PORT");
                }
            },
        };
        (address, port)
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return wrong(
                    "has more than one colon in the host",
                    "write an IPv6 address as [::1]:3306",
                );
            }
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        }
    };
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return wrong("names no host", "write HOST or HOST:PORT");
    }
    let port = match port {
        None => PORT,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => number,
            _ => {
                return wrong(
                    "has no port after the colon",
                    "write a number from 1 to 65535",
                );
            }
        },
    };
    Ok(Host {
        name: name.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(text: &str) -> (String, u16) {
        let host = url(text).unwrap().host;
        (host.name, host.port)
    }

    #[test]
    fn a_url_has_user_password_host_and_port() {
        let address = url("mysql://app:p%40ss%3A%25@db.example:3307").unwrap();
        assert_eq!(address.user, "app");
        assert_eq!(address.password, Some(Secret::new("p@ss:%")));
        assert_eq!(
            place("mysql://app@db.example/"),
            ("db.example".to_owned(), 3306)
        );
        assert_eq!(url("mysql://app@db").unwrap().password, None);
        assert_eq!(
            url("mysql://app:a@b@db").unwrap().password,
            Some(Secret::new("a@b"))
        );
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        assert_eq!(place("mysql://a@[::1]:3307"), ("::1".to_owned(), 3307));
        assert_eq!(place("mysql://a@[fe80::2]"), ("fe80::2".to_owned(), 3306));
        for wrong in [
            "mysql://a@::1",
            "mysql://a@[::1",
            "mysql://a@[x]",
            "mysql://a@[::1]3306",
        ] {
            assert_eq!(url(wrong).unwrap_err().key, "source.url", "{wrong}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for wrong in [
            "postgres://app:hunter2@db",
            "app:hunter2@db",
            "mysql://app:hunter2",
            "mysql://:hunter2@db",
            "mysql://app:hunter2%@db",
            "mysql://app:hunter2%ff@db",
            "mysql://app:hunter2@db:0",
            "mysql://app:hunter2@db:+1",
            "mysql://app:hunter2@db:99999",
            "mysql://app:hunter2@",
            "mysql://app:hunter2@db/shop",
            "mysql://app:hunter2@db?ssl=1",
        ] {
            let message = url(wrong).unwrap_err().to_string();
            assert!(!message.contains("hunter2"), "{wrong}: {message}");
            assert!(message.starts_with("setting `source.url`: "), "{message}");
        }
    }

    #[test]
    fn more_hosts_have_no_user() {
        let texts = ["b".to_owned(), "c:3307".to_owned(), "[::1]:3308".to_owned()];
        let ports: Vec<u16> = hosts(&texts).unwrap().iter().map(|h| h.port).collect();
        assert_eq!(ports, [3306, 3307, 3308]);
        assert!(hosts(&["app@b".to_owned()]).is_err());
    }

    proptest! {
        #[test]
        fn any_password_can_be_escaped(password in "\\PC{0,20}") {
            let escaped: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let address = url(&format!("mysql://u:{escaped}@h")).unwrap();
            prop_assert_eq!(address.password, Some(Secret::new(password)));
        }

        #[test]
        fn any_text_is_a_url_or_refused(text in "(mysql://)?\\PC{0,30}") {
            if let Ok(address) = url(&text) {
                prop_assert!(!address.user.is_empty());
            }
        }
    }
}
