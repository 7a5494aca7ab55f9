use axum::{Router, extract::State, routing::get};
use sse_tower::{ApplicationContext, serve};

async fn push(State(name): State<String>) -> String {
    name
}

async fn run(listener: tokio::net::TcpListener, context: ApplicationContext) -> std::io::Result<()> {
    let app = Router::new().route("/push", get(push));
    serve(listener, app, context).await
}

fn main() {
    drop(run);
}
