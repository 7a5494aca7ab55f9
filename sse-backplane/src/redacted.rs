//! `redacted`: a URL without its secrets, as it may be shown.

/// Words in the name of a query parameter whose value nobody is to see.
const SECRET: [&str; 6] = ["pass", "secret", "token", "auth", "key", "cred"];

/// The URL without what is secret in it: user and password, and parameters that sound like one.
pub(crate) fn redacted(url: &str) -> String {
    // Whatever comes before the last `@`: a password may have any sign of a URL in it, and a URL may be mistyped.
    let (mut shown, rest) = match url.rsplit_once('@') {
        Some((before, rest)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            let slashes = if scheme.is_empty() { "" } else { "://" };
            if before
                .split(['?', '&'])
                .skip(1)
                .any(|pair| pair.split_once('=').is_some_and(|(name, _)| is_secret(name)))
            {
                // A password among the parameters, with an `@` in it: what comes behind is its end.
                return format!("{scheme}{slashes}***");
            }
            (format!("{scheme}{slashes}***@"), rest)
        }
        None => (String::new(), url),
    };
    let (rest, fragment) = split(rest, '#');
    let (address, query) = split(rest, '?');
    shown.push_str(address);
    for (n, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if n == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                shown.push_str(name);
                shown.push_str("=***");
            }
            _ => shown.push_str(pair),
        }
    }
    if fragment.is_some() {
        shown.push_str("#***");
    }
    shown
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn nobody_sees_a_secret() {
        for (url, shown) in [
            ("memory:", "memory:"),
            ("redb:events.redb", "redb:events.redb"),
            ("redis://10.0.0.5/0", "redis://10.0.0.5/0"),
            ("redis://:pw@10.0.0.5/", "redis://***@10.0.0.5/"),
            (
                "postgres://app:p@ss@db/shop?sslmode=require",
                "postgres://***@db/shop?sslmode=require",
            ),
            ("postgres://db/shop?user=a&password=pw", "postgres://db/shop?user=a&password=***"),
            ("postgres://db/shop?user=a&password=p@ss", "postgres://***"),
            ("postgres//app:pw@db/shop", "***@db/shop"),
            ("nats://token@host:4222#x", "nats://***@host:4222#***"),
        ] {
            assert_eq!(redacted(url), shown);
        }
    }

    #[test]
    fn a_password_with_the_signs_of_a_url_is_not_seen_either() {
        for url in ["redis://u:a?b@host/", "redis://u:a#b@host/", "redis://u:a/b@host/"] {
            let shown = redacted(url);
            assert!(!shown.contains(":a"), "{shown}");
            assert!(!shown.contains("b@"), "{shown}");
        }
    }
}
