//! `check`: whether this server can be used, and which of its settings lose events.

use std::collections::HashMap;

use ::redis::{cmd, make_extension_error};
use sse_tower_core::backplane::EngineError;
use tokio::time::Instant;

use super::{
    decode,
    error::{explain, garbled, no_right},
    link::{CALL, Link},
    script::Script,
    settings::Place,
};

/// The oldest version that has `XTRIM MINID`, exclusive ranges and `ZADD GT`.
const OLDEST: (u32, u32) = (6, 2);

/// How durable the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Its settings could not be read.
    Unknown,
    /// What was appended is on the disk before it is answered.
    Always,
    /// Appended, and brought to the disk each second.
    EverySecond,
    /// Snapshots now and then.
    Snapshots,
    /// Nothing is on any disk.
    Nothing,
}

impl Durability {
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Unknown => {
                "Redis keeps what it stores as its settings say, which this user may not read; what it \
                 lost is noticed, and told to every connection"
            }
            Self::Always => "Redis has on its disk what it stores before it says so",
            Self::EverySecond => {
                "Redis keeps what it stores over a restart; of the last second before a power cut it may lose \
                 something, which is noticed, and told to every connection"
            }
            Self::Snapshots => {
                "Redis forgets with its end what it stored since its last snapshot, which is noticed, and told to every \
                 connection: set `appendonly yes`"
            }
            Self::Nothing => {
                "Redis has nothing on a disk and forgets everything with its end, which is noticed, and told to every \
                 connection: set `appendonly yes`"
            }
        }
    }
}

/// The result of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) durability: Durability,
    /// It deletes keys that have no end when its memory is full: history, heads, and what it knows of its own life.
    pub(super) evicts: bool,
}

impl Found {
    /// Logs once what loses events.
    pub(super) fn warn(self, place: &Place) {
        #[cfg(feature = "tracing")]
        {
            if self.evicts {
                tracing::warn!(
                    target: "sse_tower",
                    redis = &*place.address,
                    "`maxmemory-policy` lets Redis delete any key when its memory is full, histories and what it knows of its own \
                     life among them: set `noeviction`, or a policy of `volatile-`"
                );
            }
            if matches!(self.durability, Durability::Snapshots | Durability::Nothing) {
                tracing::warn!(target: "sse_tower", redis = &*place.address, "{}", self.durability.sentence());
            }
        }
        #[cfg(not(feature = "tracing"))]
        let _ = (place, self.evicts);
    }
}

/// Looks at version, rights and settings.
pub(super) async fn check(link: &Link, place: &Place, channel: &str) -> Result<Found, EngineError> {
    let info = info(link, place).await?;
    if let Some(version) = info.get("redis_version") {
        version_is_enough(place, version)?;
    }
    let refused = link.run(link.call(Script::Probe).arg(channel)).await?;
    let refused = decode::text(&refused).ok_or_else(|| garbled(place))?;
    if let Some((command, error)) = refused.split_once('\n') {
        // Versions differ in the code, and agree in these words.
        let right = error.contains("permission") || error.contains("user executing the script");
        return Err(match right {
            true => no_right(place, &format!("{command}: {error}")),
            false => said(place, error),
        });
    }
    let (fsync, save) = (setting(link, "appendfsync").await, setting(link, "save").await);
    Ok(found(&info, fsync.as_deref(), save.as_deref()))
}

/// What the server says of itself; nothing if this user may not ask.
async fn info(link: &Link, place: &Place) -> Result<HashMap<String, String>, EngineError> {
    let mut all = HashMap::new();
    for section in ["server", "memory", "persistence"] {
        let mut command = cmd("INFO");
        command.arg(section);
        let value = match link.command(&command, Instant::now() + CALL).await {
            Ok(value) => value,
            Err(failed) if failed.code() == Some("NOPERM") => return Ok(HashMap::new()),
            Err(failed) => return Err(failed.explain(place)),
        };
        let text = decode::text(&value).ok_or_else(|| garbled(place))?;
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        all.extend(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
    }
    Ok(all)
}

/// One of its settings, if this user may ask.
async fn setting(link: &Link, name: &str) -> Option<String> {
    let mut command = cmd("CONFIG");
    command.arg("GET").arg(name);
    let value = link.command(&command, Instant::now() + CALL).await.ok()?;
    let pair = decode::array(value)?;
    decode::text(pair.get(1)?).map(str::to_owned)
}

fn found(info: &HashMap<String, String>, fsync: Option<&str>, save: Option<&str>) -> Found {
    let get = |name: &str| info.get(name).map_or("", String::as_str);
    let durability = match (get("aof_enabled"), fsync, save) {
        ("1", Some("always"), _) => Durability::Always,
        ("1", ..) => Durability::EverySecond,
        ("0", _, Some("")) => Durability::Nothing,
        ("0", _, Some(_)) => Durability::Snapshots,
        _ => Durability::Unknown,
    };
    let bounded = !matches!(get("maxmemory"), "" | "0");
    let evicts = bounded && get("maxmemory_policy").starts_with("allkeys-");
    Found { durability, evicts }
}

fn version_is_enough(place: &Place, version: &str) -> Result<(), EngineError> {
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if (major, minor) >= OLDEST {
        return Ok(());
    }
    Err(EngineError::refused(format!(
        "Redis at {} has version {version}, and {}.{} or newer is needed (or any Valkey)",
        place.address, OLDEST.0, OLDEST.1
    )))
}

/// The text of an error that a script caught.
fn said(place: &Place, text: &str) -> EngineError {
    let text = text.trim_start_matches('-');
    let (code, said) = text.split_once(' ').unwrap_or((text, ""));
    explain(place, make_extension_error(code.to_owned(), Some(said.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { address: "h:1".into(), prefix: "{sse}:".into() }
    }

    #[test]
    fn an_old_version_is_refused() {
        for version in ["6.2.0", "7.0.15", "10.1"] {
            version_is_enough(&place(), version).unwrap();
        }
        for version in ["6.0.16", "5.0.14", "what"] {
            version_is_enough(&place(), version).unwrap_err();
        }
        assert_eq!(
            version_is_enough(&place(), "6.0.16").unwrap_err().to_string(),
            "Redis at h:1 has version 6.0.16, and 6.2 or newer is needed (or any Valkey)"
        );
    }

    #[test]
    fn settings_that_lose_events_are_found() {
        let info = |lines: &[(&str, &str)]| {
            lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let kept =
            info(&[("aof_enabled", "1"), ("maxmemory", "0"), ("maxmemory_policy", "noeviction")]);
        let durability = Durability::Always;
        assert_eq!(found(&kept, Some("always"), Some("")), Found { durability, evicts: false });
        assert_eq!(found(&kept, Some("everysec"), None).durability, Durability::EverySecond);
        let cache = info(&[
            ("aof_enabled", "0"),
            ("maxmemory", "1000"),
            ("maxmemory_policy", "allkeys-lru"),
        ]);
        let durability = Durability::Nothing;
        assert_eq!(found(&cache, None, Some("")), Found { durability, evicts: true });
        assert_eq!(found(&cache, None, Some("60 1")).durability, Durability::Snapshots);
        assert_eq!(found(&info(&[]), None, None).durability, Durability::Unknown);
    }
}
