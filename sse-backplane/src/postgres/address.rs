//! Where the server is, and who asks.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use sse_tower_core::backplane::EngineError;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use super::tls::Tls;

/// The kernel gives a connection up if what was sent is not acknowledged for so long.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// A URL that was read. Shows neither password nor options.
#[derive(Clone)]
pub(super) struct Address {
    /// For statements; may lead to a pooler.
    pub(super) config: Config,
    /// For what a pooler cannot do: `LISTEN`.
    pub(super) direct: Config,
    pub(super) tls: Option<Tls>,
    shown: Arc<str>,
}

impl Address {
    /// Reads a URL: `postgres://app:secret@db.example/shop?sslmode=verify-full`.
    pub(super) fn read(url: &str) -> Result<Self, EngineError> {
        let (before, query) = url.split_once('?').unwrap_or((url, ""));
        if !["postgres://", "postgresql://"].iter().any(|scheme| before.starts_with(scheme)) {
            return Err(wrong("it begins with postgres://"));
        }
        let mut verified = false;
        let mut roots = None;
        let (mut direct_host, mut direct_port) = (None, None);
        // What is left for the driver, as it was written.
        let mut left = String::new();
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            let Some((name, value)) = form_urlencoded::parse(piece.as_bytes()).next() else {
                continue;
            };
            match &*name {
                "sslmode" => verified = is_verified(&value)?,
                "sslrootcert" if value == "system" => roots = None,
                "sslrootcert" => roots = Some(value.into_owned()),
                "direct_host" => direct_host = Some(value.into_owned()),
                "direct_port" => {
                    let port =
                        value.parse().map_err(|_| wrong("direct_port is a port's number"))?;
                    direct_port = Some(port);
                }
                _ => {
                    left.push(if left.is_empty() { '?' } else { '&' });
                    left.push_str(piece);
                }
            }
        }
        // The driver's words could repeat a part of the URL, and so of the password.
        let mut config: Config = format!("{before}{left}")
            .parse()
            .map_err(|_| wrong("postgres://user:password@host:5432/database?sslmode=verify-full is one that can be"))?;
        if config.get_hosts().is_empty() {
            config.host("localhost");
        }
        if config.get_application_name().is_none() {
            config.application_name("sse-tower");
        }
        config.tcp_user_timeout(UNACKNOWLEDGED).keepalives_idle(UNACKNOWLEDGED);
        config.ssl_mode(if verified { SslMode::Require } else { SslMode::Disable });
        let tls = verified.then(|| Tls::new(roots.as_deref().map(Path::new))).transpose()?;
        let direct = match (direct_host, direct_port) {
            (None, None) => config.clone(),
            (host, port) => direct(&config, host, port),
        };
        let shown = shown(&config).into();
        Ok(Self { config, direct, tls, shown })
    }

    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or("the user of this process")
    }

    pub(super) fn database(&self) -> &str {
        self.config.get_dbname().or_else(|| self.config.get_user()).unwrap_or("named as the user")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn wrong(what: &str) -> EngineError {
    EngineError::refused(format!("this is no URL of a PostgreSQL database: {what}"))
}

/// What is encrypted is verified: encryption to whoever answers protects from nobody who can answer.
fn is_verified(mode: &str) -> Result<bool, EngineError> {
    match mode {
        "verify-full" | "verify-ca" | "require" => Ok(true),
        "disable" => Ok(false),
        _ => Err(EngineError::refused(
            "sslmode is verify-full (the certificate and its name are checked) or disable; what lies between protects \
             from nobody who can answer in the server's place",
        )),
    }
}

/// The same with another host or port.
fn direct(config: &Config, host: Option<String>, port: Option<u16>) -> Config {
    let mut direct = Config::new();
    if let Some(user) = config.get_user() {
        direct.user(user);
    }
    if let Some(password) = config.get_password() {
        direct.password(password);
    }
    if let Some(name) = config.get_dbname() {
        direct.dbname(name);
    }
    if let Some(name) = config.get_application_name() {
        direct.application_name(name);
    }
    if let Some(options) = config.get_options() {
        direct.options(options);
    }
    match (host, config.get_hosts()) {
        (Some(host), _) => {
            direct.host(host);
        }
        (None, hosts) => {
            for host in hosts {
                match host {
                    Host::Tcp(name) => direct.host(name),
                    #[cfg(unix)]
                    Host::Unix(path) => direct.host_path(path),
                };
            }
        }
    }
    for port in port.as_ref().map_or(config.get_ports(), std::slice::from_ref) {
        direct.port(*port);
    }
    direct
        .ssl_mode(config.get_ssl_mode())
        .target_session_attrs(config.get_target_session_attrs())
        .tcp_user_timeout(UNACKNOWLEDGED)
        .keepalives_idle(UNACKNOWLEDGED);
    direct
}

fn shown(config: &Config) -> String {
    let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| {
        let ports = config.get_ports();
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => format!("{} (port {port})", path.display()),
        }
    });
    hosts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_its_host_and_nothing_of_its_user() {
        let url = "postgres://app:s3cret@db.example:6543/shop?application_name=x";
        let address = Address::read(url).unwrap();
        assert_eq!(format!("{address} {address:?}"), "db.example:6543 db.example:6543");
        assert_eq!((address.user(), address.database()), ("app", "shop"));
        assert!(address.tls.is_none());
    }

    #[test]
    fn a_wrong_url_is_not_repeated() {
        for url in [
            "mysql://app:s3cret@host/shop",
            "postgres://app:s3cret@host:port/shop",
            "postgres://app:s3cret@host/shop?s3cret=1",
            "postgres://app:s3cret@host/shop?sslmode=s3cret",
            "postgres://app:s3cret@host/shop?direct_port=s3cret",
        ] {
            let error = Address::read(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn what_is_encrypted_is_verified() {
        for mode in ["verify-full", "verify-ca", "require"] {
            let url = format!("postgres://app@host/shop?sslmode={mode}");
            assert!(Address::read(&url).unwrap().tls.is_some());
        }
        assert!(Address::read("postgres://host/?sslmode=disable").unwrap().tls.is_none());
        let error = Address::read("postgres://host/?sslmode=prefer").unwrap_err();
        assert!(error.to_string().contains("verify-full"), "{error}");
    }

    #[test]
    fn listening_can_go_past_a_pooler() {
        let url = "postgres://app:s3cret@pooler:6432/shop?direct_host=db&direct_port=5432";
        let address = Address::read(url).unwrap();
        assert_eq!(shown(&address.config), "pooler:6432");
        assert_eq!(shown(&address.direct), "db:5432");
        assert_eq!(address.direct.get_password(), Some(&b"s3cret"[..]));
    }
}
