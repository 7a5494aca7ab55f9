//! `Session`: what a client adds to each of its requests, and what it keeps of the answers.

use std::{collections::VecDeque, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{COOKIE, SET_COOKIE},
};
use parking_lot::Mutex;

use super::service::{Ask, ServiceResult};
use crate::boxed::BoxFuture;

/// How many cookies a client keeps: 64, the oldest dropped first. Browsers keep as many for a site.
pub const MAX_COOKIES: usize = 64;

/// One client's service, with its headers and cookies.
pub(super) struct Session<B> {
    service: Arc<dyn Ask<B>>,
    headers: Vec<(String, String)>,
    jar: Option<Arc<CookieJar>>,
}

impl<B: Send + 'static> Session<B> {
    pub(super) fn new(service: Arc<dyn Ask<B>>) -> Self {
        Self { service, headers: Vec::new(), jar: None }
    }

    pub(super) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn keep_cookies(&mut self) {
        self.jar.get_or_insert_default();
    }

    /// Asks the service. What the request says itself stands; cookies are added to its own.
    pub(super) fn ask(&self, mut request: Request<B>) -> BoxFuture<'static, ServiceResult> {
        let jar = self.jar.clone();
        let added = self.add(request.headers_mut());
        let answer = self.service.ask(request);
        Box::pin(async move {
            added?;
            let response = answer.await?;
            if let Some(jar) = jar {
                jar.store(response.headers());
            }
            Ok(response)
        })
    }

    fn add(&self, headers: &mut HeaderMap) -> Result<(), http::Error> {
        let own = headers.clone();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            if !own.contains_key(&name) {
                headers.append(name, HeaderValue::from_str(value)?);
            }
        }
        if let Some(kept) = self.jar.as_ref().and_then(|jar| jar.line()) {
            let own = headers.get(COOKIE).map(HeaderValue::as_bytes).unwrap_or_default();
            let line = match own {
                [] => kept.into_bytes(),
                own => [own, b"; ", kept.as_bytes()].concat(),
            };
            headers.insert(COOKIE, HeaderValue::from_bytes(&line)?);
        }
        Ok(())
    }
}

impl<B> Clone for Session<B> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            headers: self.headers.clone(),
            jar: self.jar.clone(),
        }
    }
}

/// Cookies by name, the oldest first. All are of one site, so domains and paths do not count; nor does time, but
/// for cookies that are taken back.
#[derive(Debug, Default)]
struct CookieJar(Mutex<VecDeque<(String, String)>>);

impl CookieJar {
    fn store(&self, headers: &HeaderMap) {
        let mut cookies = self.0.lock();
        for line in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = line.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|first| first.split_once('=')) else {
                continue;
            };
            cookies.retain(|(kept, _)| kept != name);
            if parts.any(is_over) {
                continue;
            }
            if cookies.len() == MAX_COOKIES {
                cookies.pop_front();
            }
            cookies.push_back((name.to_owned(), value.to_owned()));
        }
    }

    fn line(&self) -> Option<String> {
        let cookies = self.0.lock();
        let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// How servers take a cookie back.
fn is_over(attribute: &str) -> bool {
    let Some((name, value)) = attribute.split_once('=') else { return false };
    (name.eq_ignore_ascii_case("max-age") && value.parse().is_ok_and(|seconds: i64| seconds <= 0))
        || (name.eq_ignore_ascii_case("expires") && value.contains(" 1970 "))
}
