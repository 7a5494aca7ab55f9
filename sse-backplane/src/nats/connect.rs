//! `connect`: from a URL to a connection.

use std::time::Duration;

use async_nats::{
    ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr, connection::State, jetstream,
};
use sse_tower_core::backplane::{EngineError, EngineErrorKind};

use super::{
    engine::NatsEngine,
    home::Home,
    session::Shared,
    stream::{Names, unavailable},
    wire::LEAST_PAYLOAD,
};
use crate::causes;

/// How long connecting and each request may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How often the connection is tried. The client calls it dead after the third try without an answer.
const PING: Duration = Duration::from_secs(1);

/// The oldest server with all that is used of JetStream.
const OLDEST: (u32, u32) = (2, 9);

/// Connects to `nats://user:password@host:4222`, `nats://token@host:4222`, or with TLS to `tls://host:4222`, for one namespace.
///
/// Several servers of a cluster are separated by commas. After a `?` may stand, joined by `&`: `credentials=/path/to.creds` for
/// a JWT with its key, `ca=/path/to.pem` for certificates of one's own, and `replicas=3` for how many servers keep the stream (1).
///
/// # Errors
/// A URL that cannot be read, a server that is away or refuses the user, each with what to do.
pub async fn connect(url: &str, namespace: &str) -> Result<NatsEngine, EngineError> {
    let home = Home::new()?;
    // What the client runs is on the runtime on which it was made.
    let shared = home.run(client(url.to_owned(), namespace.to_owned())).await?;
    Ok(NatsEngine::new(shared, home))
}

async fn client(url: String, namespace: String) -> Result<Shared, EngineError> {
    let (servers, options) = url.split_once('?').unwrap_or((&url, ""));
    let servers = servers.split(',').map(|server| server.trim().parse()).collect::<Result<_, _>>();
    // Not with its cause, which may show the URL.
    let mut servers: Vec<ServerAddr> = servers.map_err(|_| unreadable())?;
    let mut connect = patient();
    // The crate does not use them, and shows them in its log lines. All servers of a cluster know the same users.
    if let Some(server) = servers.iter().find(|server| server.has_user_pass()) {
        let user = decoded(server.username().unwrap_or_default());
        connect = match server.password() {
            Some(password) => connect.user_and_password(user, decoded(password)),
            None => connect.token(user),
        };
    }
    for server in &mut servers {
        *server = nameless(server)?;
    }
    let (mut connect, replicas) = with_options(connect, options).await?;
    if servers.iter().any(ServerAddr::tls_required) {
        connect = connect.require_tls(true);
    }
    let shown: Vec<String> =
        servers.iter().map(|server| format!("{}:{}", server.host(), server.port())).collect();
    let shown = shown.join(", ");
    let client = connect.connect(servers).await.map_err(|error| no_connection(&shown, error))?;
    let version = client.server_info().version;
    version_is_enough(&shown, &version)?;
    payload_is_enough(&shown, client.max_payload())?;
    if client.connection_state() != State::Connected {
        return Err(EngineError::unavailable("the connection to NATS broke at once"));
    }
    client.flush().await.map_err(unavailable)?;
    let mut context = jetstream::new(client);
    context.set_timeout(ANSWER);
    Ok(Shared::new(context, Names::new(&namespace, replicas)))
}

/// How the client connects: it never gives up, and pauses between attempts, for longer each time.
fn patient() -> ConnectOptions {
    ConnectOptions::new()
        .name("sse-tower")
        .ping_interval(PING)
        .connection_timeout(ANSWER)
        .request_timeout(Some(ANSWER))
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| {
            let doubled = 2_u32.saturating_pow(u32::try_from(attempt).unwrap_or(u32::MAX).min(6));
            let most = Duration::from_millis(50).saturating_mul(doubled);
            most.min(Duration::from_secs(2)).mul_f64(0.75 + fastrand::f64() / 2.0)
        })
}

/// Adds what stands behind the `?` of a URL; and how many servers keep the stream.
async fn with_options(
    mut connect: ConnectOptions,
    options: &str,
) -> Result<(ConnectOptions, usize), EngineError> {
    let mut replicas = 1;
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "credentials" => {
                connect = connect.credentials_file(value).await.map_err(|error| {
                    let message = format!("the credentials file `{value}` cannot be read");
                    EngineError::refused(message).with_source(error)
                })?;
            }
            "ca" => connect = connect.add_root_certificates(value.into()),
            "replicas" => {
                replicas = value.parse().ok().filter(|count| (1..=5).contains(count)).ok_or_else(
                    || EngineError::refused("`replicas` in a NATS URL is a number from 1 to 5"),
                )?;
            }
            _ => {
                return Err(EngineError::refused(format!(
                    "a NATS URL has no option `{name}`: there are `credentials`, `ca` and `replicas`"
                )));
            }
        }
    }
    Ok((connect, replicas))
}

/// Why these servers could not be connected to, and what to do about it.
fn no_connection(servers: &str, error: ConnectError) -> EngineError {
    let (kind, message) = match error.kind() {
        _ if causes::tls(&error).is_some() => (EngineErrorKind::Refused, no_tls(servers)),
        ConnectErrorKind::Tls => (EngineErrorKind::Refused, no_tls(servers)),
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => (
            EngineErrorKind::Refused,
            format!(
                "NATS at {servers} refuses this user: look at user, password and credentials in the URL"
            ),
        ),
        _ => (
            EngineErrorKind::Unavailable,
            format!("no NATS server answers at {servers}: is it running, and reachable from here?"),
        ),
    };
    EngineError::new(kind, message).with_source(error)
}

fn unreadable() -> EngineError {
    EngineError::refused(
        "a NATS URL looks like `nats://user:password@host:4222`, this one cannot be read",
    )
}

/// The same server without user and password.
fn nameless(server: &ServerAddr) -> Result<ServerAddr, EngineError> {
    let host = server.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let bare = format!("{}://{host}:{}", server.scheme(), server.port());
    bare.parse().map_err(|_| unreadable())
}

fn no_tls(servers: &str) -> String {
    format!(
        "no TLS with NATS at {servers}: look at its certificate, `ca=`, and `tls://` against `nats://`"
    )
}

/// What a part of a URL says, in which `%40` is `@`.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn version_is_enough(servers: &str, version: &str) -> Result<(), EngineError> {
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if (major, minor) >= OLDEST {
        return Ok(());
    }
    Err(EngineError::refused(format!(
        "NATS at {servers} has version {version}, and {}.{} or newer is needed, with JetStream",
        OLDEST.0, OLDEST.1
    )))
}

fn payload_is_enough(servers: &str, payload: usize) -> Result<(), EngineError> {
    if payload >= LEAST_PAYLOAD {
        return Ok(());
    }
    Err(EngineError::refused(format!(
        "NATS at {servers} takes messages of {payload} bytes, and {LEAST_PAYLOAD} are needed: raise its `max_payload`"
    )))
}

#[cfg(test)]
mod tests {
    use super::{decoded, nameless, version_is_enough};

    #[test]
    fn what_the_crate_logs_has_no_user() {
        for (url, bare) in [
            ("nats://app:s3cret@h:4333", "nats://h:4333"),
            ("tls://s3cret@[::1]", "tls://[::1]:4222"),
            ("h", "nats://h:4222"),
        ] {
            assert_eq!(nameless(&url.parse().unwrap()).unwrap(), bare.parse().unwrap());
        }
    }

    #[test]
    fn a_password_may_have_any_character() {
        for (part, said) in [
            ("plain", "plain"),
            ("a%40b%2Fc", "a@b/c"),
            ("%E6%94%AF", "支"),
            ("50%", "50%"),
            ("%zz%4", "%zz%4"),
        ] {
            assert_eq!(decoded(part), said);
        }
    }

    #[test]
    fn an_old_version_is_refused() {
        for version in ["2.9.10", "2.10.22", "2.14.0-RC.1", "3.0.0"] {
            version_is_enough("h:4222", version).unwrap();
        }
        for version in ["2.8.4", "1.4.1", "what", ""] {
            version_is_enough("h:4222", version).unwrap_err();
        }
    }
}
