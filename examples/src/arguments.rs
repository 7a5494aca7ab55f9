//! `--name value` and `--name=value`, and the address a program listens at.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpListener;

use sse_tower::backplane::Backplane;

use crate::{Announced, Failure};

/// The options of one program. Each is taken by name; [`Arguments::listen`] refuses what nobody took.
#[derive(Debug)]
pub struct Arguments {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
}

/// A command line that says something this program does not understand.
#[derive(Debug)]
pub struct ArgumentError(String);

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ArgumentError {}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    /// An argument that is no `--name value`.
    pub fn from_env() -> Result<Self, ArgumentError> {
        Self::parse(std::env::args_os().skip(1).map(|argument| {
            // What is not UTF-8 fails later as an unknown name or a bad value, with a readable text.
            argument.to_string_lossy().into_owned()
        }))
    }

    fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, ArgumentError> {
        let mut given = Vec::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if !word.starts_with("--") {
                return Err(ArgumentError(format!("`{word}` is no option: write `--name value`")));
            }
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => match words.next() {
                    Some(value) => (word, value),
                    None => {
                        return Err(ArgumentError(format!(
                            "`{word}` needs a value: write `{word} VALUE`"
                        )));
                    }
                },
            };
            given.push((name, value));
        }
        Ok(Self { given, known: Vec::new() })
    }

    /// Takes the value of `name` (with its dashes), the last one if it was given twice.
    ///
    /// # Errors
    /// A value that is no `T`.
    pub fn take<T>(&mut self, name: &'static str) -> Result<Option<T>, ArgumentError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.known.push(name);
        let mut found = None;
        self.given.retain(|(given, value)| {
            let taken = given == name;
            if taken {
                found = Some(value.clone());
            }
            !taken
        });
        let Some(value) = found else { return Ok(None) };
        match value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(ArgumentError(format!("`{name} {value}`: {error}"))),
        }
    }

    /// Takes a time: `250ms`, `5s`, `2m`, or plain seconds such as `1.5`.
    ///
    /// # Errors
    /// A value that is no time.
    pub fn take_time(&mut self, name: &'static str) -> Result<Option<Duration>, ArgumentError> {
        Ok(self.take::<Time>(name)?.map(|Time(time)| time))
    }

    /// Opens the backplane of `--backplane URL`, or of the variable `SSE_BACKPLANE`; by default one in memory, for this
    /// process alone.
    ///
    /// # Errors
    /// A URL that is none, or whose store cannot be reached.
    pub async fn backplane(&mut self) -> Result<Backplane, Failure> {
        Ok(sse_tower::backplane::open(self.backplane_url()?).await?)
    }

    /// The URL alone, for a program that does more with it than open it.
    ///
    /// # Errors
    /// An option without a value.
    pub fn backplane_url(&mut self) -> Result<String, ArgumentError> {
        let given: Option<String> = self.take("--backplane")?;
        let url = given.or_else(|| std::env::var("SSE_BACKPLANE").ok());
        Ok(url.unwrap_or_else(|| "memory:".to_owned()))
    }

    /// Listens at `--listen ADDR`, or at `default`; port 0 takes any free port. The [`Announced`]
    /// listener says which, once the server that it is given to accepts connections.
    ///
    /// # Errors
    /// An option that no program part took, an address that is none, or one that is in use.
    pub async fn listen(mut self, default: SocketAddr) -> Result<Announced, std::io::Error> {
        let invalid = |error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error);
        let address = self.take("--listen").map_err(invalid)?.map_or(default, |Address(it)| it);
        if let Some((name, _)) = self.given.first() {
            let known = self.known.join(", ");
            let text = format!("`{name}` is unknown: this program has {known}");
            return Err(invalid(ArgumentError(text)));
        }
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let text = format!("cannot listen at {address}: {error}; choose another by `--listen`");
            std::io::Error::new(error.kind(), text)
        })?;
        Ok(Announced::new(listener))
    }
}

/// An address as people write it.
struct Address(SocketAddr);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .map(Self)
            .map_err(|_| "write an address with its port, such as `127.0.0.1:8080`")
    }
}

/// A duration as people write it.
struct Time(Duration);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WORDS: &str = "write a time such as `250ms`, `5s` or `2m`";
        let (number, seconds) = if let Some(number) = text.strip_suffix("ms") {
            (number, 0.001)
        } else if let Some(number) = text.strip_suffix('s') {
            (number, 1.0)
        } else if let Some(number) = text.strip_suffix('m') {
            (number, 60.0)
        } else {
            (text, 1.0)
        };
        let number: f64 = number.parse().map_err(|_| WORDS)?;
        Duration::try_from_secs_f64(number * seconds).map(Time).map_err(|_| WORDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Result<Arguments, ArgumentError> {
        Arguments::parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn a_value_follows_its_name_or_an_equals_sign_and_the_last_one_counts() {
        let mut given = arguments(&["--every", "5s", "--every=250ms"]).unwrap();
        assert_eq!(given.take_time("--every").unwrap(), Some(Duration::from_millis(250)));
        assert_eq!(given.take_time("--every").unwrap(), None);
    }

    #[test]
    fn what_is_no_option_no_value_or_no_time_is_an_error_with_the_culprit() {
        let text = |words: &[&str]| arguments(words).unwrap_err().to_string();
        assert_eq!(text(&["8080"]), "`8080` is no option: write `--name value`");
        assert_eq!(text(&["--listen"]), "`--listen` needs a value: write `--listen VALUE`");
        for time in ["soon", "-1s", "", "inf", "NaN"] {
            let mut given = arguments(&["--every", time]).unwrap();
            let error = given.take_time("--every").unwrap_err().to_string();
            assert!(error.starts_with(&format!("`--every {time}`: write a time")), "{error}");
        }
    }

    #[tokio::test]
    async fn an_unknown_option_is_refused_before_anything_listens() {
        let mut given = arguments(&["--listne", "127.0.0.1:0"]).unwrap();
        let _ = given.take_time("--every");
        let error = given.listen(([127, 0, 0, 1], 0).into()).await.unwrap_err().to_string();
        assert_eq!(error, "`--listne` is unknown: this program has --every, --listen");
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_in_the_error() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = arguments(&[]).unwrap().listen(address).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen at {address}: ")), "{error}");
        assert!(error.ends_with("; choose another by `--listen`"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_address_is_answered_with_one_that_is() {
        let given = arguments(&["--listen", "8080"]).unwrap();
        let error = given.listen(([127, 0, 0, 1], 0).into()).await.unwrap_err().to_string();
        let cure = "write an address with its port, such as `127.0.0.1:8080`";
        assert_eq!(error, format!("`--listen 8080`: {cure}"));
    }
}
