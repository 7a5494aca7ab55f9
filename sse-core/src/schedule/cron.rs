//! `Cron`: cron expressions, as Spring's `@Scheduled(cron = "..")` takes them.

use std::time::{Duration, SystemTime};

use croner::parser::{CronParser, Seconds};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use tokio::time::Instant;

/// The times of one expression.
pub(super) struct Cron {
    cron: croner::Cron,
    zone: TimeZone,
    /// A moment by both clocks.
    began: (Instant, Timestamp),
}

impl Cron {
    /// Six fields (second, minute, hour, day, month, weekday), or five without the seconds, or a nickname as `@daily`; in
    /// `zone`, a name of the IANA database, else UTC.
    pub(super) fn new(expression: &str, zone: Option<&str>) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Optional).sloppy_ranges(true).build();
        let cron = parser.parse(expression).map_err(|error| {
            format!(
                "`{expression}` is no cron expression ({error}); six fields, from seconds to weekdays, such as `0/5 * * * * *`"
            )
        })?;
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| {
                format!("`{name}` is no time zone; write a name such as `Asia/Shanghai`")
            })?,
        };
        let wall = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Self { cron, zone, began: (Instant::now(), wall) })
    }

    /// The first time after `instant`. `None` if there is none that a calendar knows.
    pub(super) fn after(&self, instant: Instant) -> Option<Instant> {
        let (began, wall) = self.began;
        let now = self.wall(instant)?;
        let next = self.cron.find_next_occurrence(&now, false).ok()?;
        let since = next.timestamp().duration_since(wall);
        began.checked_add(Duration::try_from(since).ok()?)
    }

    fn wall(&self, instant: Instant) -> Option<Zoned> {
        let (began, wall) = self.began;
        let now = wall.checked_add(instant.saturating_duration_since(began)).ok()?;
        Some(now.to_zoned(self.zone.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wall clock times of the next runs after `from`.
    fn next(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let mut cron = Cron::new(expression, Some(zone)).unwrap();
        let began = Instant::now();
        cron.began = (began, from.parse().unwrap());
        let mut at = began;
        (0..count)
            .map(|_| {
                at = cron.after(at).unwrap();
                let zoned = cron.wall(at).unwrap();
                zoned.strftime("%d %H:%M:%S").to_string()
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn springs_six_fields_are_understood() {
        let from = "2026-11-26T07:00:02Z";
        let five = ["26 07:00:05", "26 07:00:10", "26 07:00:15"];
        // The expression of many a Spring program, with its question mark.
        assert_eq!(next("0/5 * * * * ?", "UTC", from, 3), five);
        assert_eq!(next("0/5 * * * * *", "UTC", from, 3), five);
        assert_eq!(next("0 30 9 * * MON-FRI", "UTC", from, 2), ["26 09:30:00", "27 09:30:00"]);
        assert_eq!(next("30 9 * * *", "UTC", from, 1), ["26 09:30:00"], "five fields");
        assert_eq!(next("@daily", "UTC", from, 1), ["27 00:00:00"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_is_of_its_zone_also_where_the_clock_is_changed() {
        let from = "2026-11-26T07:00:00Z";
        assert_eq!(next("0 0 9 * * *", "Asia/Shanghai", from, 1), ["27 09:00:00"]);
        // Berlin's clocks go from 3 back to 2 that night: half past three comes once.
        let before = "2026-10-24T22:00:00Z";
        assert_eq!(
            next("0 30 3 * * *", "Europe/Berlin", before, 2),
            ["25 03:30:00", "26 03:30:00"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_is_said_with_its_cure() {
        let wrong = Cron::new("every five seconds", None).err().unwrap();
        assert!(wrong.contains("is no cron expression") && wrong.contains("0/5 * * * * *"));
        let nowhere = Cron::new("0/5 * * * * *", Some("Asia/Atlantis")).err().unwrap();
        assert!(nowhere.contains("`Asia/Atlantis` is no time zone"), "{nowhere}");
    }
}
