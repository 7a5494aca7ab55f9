//! A door bell on hyper and tower alone: no web framework.
//!
//! `GET /bell` is the stream, `POST /ring` rings at everyone, `GET /` is the page.

use std::convert::Infallible;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use sse_tower::{ApplicationContext, Emitters, EventStream, LastEventId, SseEvent, SseLayer};
use sse_tower_examples::{Arguments, Failure, Page};
use tower::{ServiceBuilder, service_fn};

type Body = Either<EventStream, Full<Bytes>>;

fn answer(request: &Request<Incoming>, bell: &Emitters<()>) -> Response<Body> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/bell") => {
            let last = request.headers().get("last-event-id");
            let last =
                last.map_or_else(LastEventId::default, |id| LastEventId::read(id.as_bytes()));
            bell.connect((), last).into_http().map(Either::Left)
        }
        (&Method::POST, "/ring") => {
            bell.send(&(), SseEvent::builder().name("ring").data("叮咚"));
            page(StatusCode::NO_CONTENT, String::new())
        }
        (&Method::GET, "/") => {
            let page_of_the_bell = Page::new(include_str!("../../pages/tower-only.html"));
            page(StatusCode::OK, page_of_the_bell.render())
        }
        _ => page(StatusCode::NOT_FOUND, "nothing here".to_owned()),
    }
}

fn page(status: StatusCode, html: String) -> Response<Body> {
    let mut response = Response::new(Either::Right(Full::from(html)));
    *response.status_mut() = status;
    let html = header::HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let backplane = arguments.backplane().await?;
    let bell = Emitters::builder().backplane_with(&backplane, "bell", |()| "all").build();
    let context = ApplicationContext::bare().backplane(&backplane).build()?;
    let service = ServiceBuilder::new().layer(SseLayer::new(context.clone())).service(service_fn(
        move |request: Request<Incoming>| {
            let response = answer(&request, &bell);
            async move { Ok::<_, Infallible>(response) }
        },
    ));
    let listener = arguments.listen(([127, 0, 0, 1], 8080).into()).await?;
    sse_tower::serve(listener, service, context).await?;
    backplane.close().await;
    Ok(())
}
