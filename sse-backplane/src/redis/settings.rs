//! `Settings` and `Place`: where the store is, and what its keys begin with.

use std::{fmt, fmt::Write};

use ::redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates,
    aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use sse_tower_core::backplane::EngineError;

/// How long a namespace's name may be, in bytes.
pub const MAX_NAMESPACE_BYTES: usize = 100;

const EXAMPLES: &str = "redis://host/, redis://user:password@host:6379/0, rediss://host/ for TLS, or \
                        redis+unix:///path/of/socket";

/// Where the store is, without what is secret.
#[derive(Clone)]
pub(super) struct Place {
    /// Host and port, or path.
    pub(super) address: Box<str>,
    /// What every key and channel begins with: `{namespace}:`. The braces keep all keys in one slot.
    pub(super) prefix: Box<str>,
}

/// How to connect. Shows nothing secret.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) place: Place,
    pub(super) client: Client,
}

impl Settings {
    pub(super) fn new(url: &str, namespace: &str) -> Result<Self, EngineError> {
        let wrong = |what: &str| EngineError::refused(format!("{what}: {EXAMPLES}"));
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let url = match scheme {
            "redis" | "rediss" | "redis+unix" | "unix" => url.to_owned(),
            // One protocol, two names.
            "valkey" => format!("redis{}", &url[scheme.len()..]),
            "valkeys" => format!("rediss{}", &url[scheme.len()..]),
            _ => return Err(wrong("this is no URL of a Redis")),
        };
        let (url, authority) = authority(&url)?;
        // The crate's own errors may quote the URL, with its password.
        let info = url.as_str().into_connection_info().map_err(|_| {
            wrong("this URL of a Redis cannot be read (are special characters of the password written as %40 and so on?)")
        })?;
        if let ConnectionAddr::TcpTls { insecure: true, .. } = info.addr() {
            return Err(wrong(
                "`#insecure` would send everything to whoever answers, and is not supported",
            ));
        }
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                format!("{host}:{port}")
            }
            other => other.to_string(),
        };
        let tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if tls {
            one_provider();
        }
        let client = match authority {
            Some(_) if !tls => return Err(wrong("`ca=` is for TLS, and so for rediss://")),
            Some(root) => {
                let roots = TlsCertificates { client_tls: None, root_cert: Some(root) };
                Client::build_with_tls(tuned(info), roots)
                    .map_err(|_| wrong("the file of `ca=` has no certificate that can be used"))?
            }
            None => Client::open(tuned(info))
                .map_err(|_| wrong("this URL of a Redis cannot be used"))?,
        };
        let place = Place { address: address.into(), prefix: prefix(namespace)?.into() };
        Ok(Self { place, client })
    }
}

/// The URL without `ca=/path/to.pem`, and that file: certificates of one's own instead of the machine's.
fn authority(url: &str) -> Result<(String, Option<Vec<u8>>), EngineError> {
    let Some((address, query)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let (ca, rest): (Vec<_>, Vec<_>) =
        query.split('&').partition(|option| option.starts_with("ca="));
    let Some(path) = ca.last().map(|option| &option["ca=".len()..]) else {
        return Ok((url.to_owned(), None));
    };
    let file = std::fs::read(path).map_err(|error| {
        EngineError::refused(format!("the file of `ca={path}` cannot be read")).with_source(error)
    })?;
    let joint = if rest.is_empty() { "" } else { "?" };
    Ok((format!("{address}{joint}{}", rest.join("&")), Some(file)))
}

/// Two protocols, and one of them has messages among answers: what is one connection each here is simpler without. Small
/// frames do not wait for each other.
fn tuned(info: ConnectionInfo) -> ConnectionInfo {
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    info.set_redis_settings(redis).set_tcp_settings(TcpSettings::default().set_nodelay(true))
}

/// The crate asks rustls for the process's provider, which panics if the program's dependencies have more than one and nobody
/// chose. So somebody chooses, unless the program has.
fn one_provider() {
    let ring = tokio_rustls::rustls::crypto::ring::default_provider();
    // An error means that there is one already.
    let _ = ring.install_default();
}

/// Braces would end the hash tag, everything else is for people who look at keys and write rules for them.
fn prefix(namespace: &str) -> Result<String, EngineError> {
    if namespace.is_empty() || namespace.len() > MAX_NAMESPACE_BYTES {
        return Err(EngineError::refused(format!(
            "a namespace has 1 to {MAX_NAMESPACE_BYTES} bytes, this one {}",
            namespace.len()
        )));
    }
    let mut prefix = String::from("{");
    for byte in namespace.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            prefix.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(prefix, "%{byte:02x}");
        }
    }
    prefix.push_str("}:");
    Ok(prefix)
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("address", &self.place.address)
            .field("prefix", &self.place.prefix)
            .finish_non_exhaustive()
    }
}

/// A connection for commands, which many calls share.
pub(super) type Connection = MultiplexedConnection;

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> String {
        format!("{:?}", Settings::new(url, "sse").unwrap_err())
    }

    #[test]
    fn nothing_secret_is_shown() {
        let settings = Settings::new("redis://anna:s3cr3t@db.example:7000/2", "sse").unwrap();
        let shown = format!("{settings:?}");
        assert_eq!(shown, r#"Settings { address: "db.example:7000", prefix: "{sse}:", .. }"#);
        for url in [
            "redis://anna:s3cr3t@:7000/x",
            "redis://:s3cr3t@h/notanumber",
            "reddis://u:s3cr3t@h",
            "redis://u:s3cr3t@h:99999",
            "rediss://u:s3cr3t@h/#insecure",
            "redis://:s3cr3t@h?protocol=s3cr3t",
        ] {
            assert!(!error(url).contains("s3cr3t"), "{url}: {}", error(url));
        }
    }

    #[test]
    fn what_is_no_url_of_a_redis_is_told_what_one_is() {
        assert!(error("").starts_with("this is no URL of a Redis: redis://host/, "));
        assert!(error("postgres://h/").starts_with("this is no URL of a Redis: "));
    }

    #[test]
    fn valkey_is_another_name() {
        for url in ["valkey://h/", "valkeys://h/", "rediss://h/"] {
            Settings::new(url, "sse").unwrap();
        }
    }

    #[test]
    fn a_namespace_cannot_reach_into_another() {
        assert_eq!(prefix("a}:b *").unwrap(), "{a%7d%3ab%20%2a}:");
        assert_ne!(prefix("a%7d").unwrap(), prefix("a}").unwrap());
        assert!(prefix("").is_err());
        assert!(prefix(&"n".repeat(101)).is_err());
    }
}
