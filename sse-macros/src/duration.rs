//! Durations as people write them, `"500ms"`, `"60s"`, `"1m30s"`, read when the program is compiled.

use std::time::Duration;

/// What `text` says, or what is wrong with it and how to write it.
///
/// Whole numbers only, each with its unit: `ms`, `s`, `m`, `h` or `d`. Zero is refused, because it
/// would look like "off" and mean "at once".
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    const FORM: &str =
        "write a whole number and its unit, such as \"500ms\", \"60s\", \"5m\" or \"1m30s\"";
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(format!("an empty duration; {FORM}"));
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if number.is_empty() {
            return Err(format!("`{text}` is not a duration; {FORM}"));
        }
        if after.starts_with(['.', ',']) {
            return Err(format!(
                "`{text}` has a fraction; write it in a smaller unit, such as \"1500ms\" for 1.5 s"
            ));
        }
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err(format!("`{text}` has a number without a unit; {FORM}")),
            other => {
                return Err(format!(
                    "`{other}` is no unit of time; use `ms`, `s`, `m`, `h` or `d`, such as \"60s\""
                ));
            }
        };
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(milliseconds))
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| {
                format!(
                    "`{text}` is longer than a duration can hold; leave the option out for no limit"
                )
            })?;
        rest = after.trim_start();
    }
    if total == 0 {
        return Err(
            "a duration of zero is over at once; leave the option out for no limit".to_owned()
        );
    }
    Ok(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_and_sums_of_units_are_read() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("60s", 60_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("5 s", 5_000),
            ("1m30s", 90_000),
            (" 1m 30s ", 90_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_answered_with_how_to_write_one() {
        for (text, cure) in [
            ("", "\"60s\""),
            ("soon", "\"60s\""),
            ("60", "without a unit"),
            ("1.5s", "1500ms"),
            ("-5s", "\"60s\""),
            ("5 sec", "use `ms`"),
            ("5sec", "use `ms`"),
            ("0s", "leave the option out"),
            ("99999999999999999999s", "longer than"),
            ("９s", "\"60s\""),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(cure), "{text}: {said}");
        }
    }
}
