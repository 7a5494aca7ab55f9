//! The event graph as a document.

use std::{any::TypeId, collections::HashMap, fmt::Write as _};

use super::{
    application_context::ApplicationContext,
    linked::{EndpointInfo, EndpointNeeds},
};
use crate::{bus::event::EventKey, sorted::sort_by_key};

impl ApplicationContext {
    /// Events, listeners, what these publish, and endpoints, as a Mermaid flowchart.
    ///
    /// What a listener publishes is known from what it returns and from each `Publisher<X>` that it
    /// takes; not what it publishes through the context itself. An endpoint hangs on the listeners
    /// whose component it takes. Durable listeners have the shape of a store, and broadcasts say that they go to every
    /// node; scheduled functions, when they run. Listeners that were added after `build()` are not shown. The text is
    /// the same on every run.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # struct Shipped; impl ApplicationEvent for Shipped {}
    /// let ship = Listener::on(|_: &Paid| Shipped).id("ship");
    /// let context = ApplicationContext::bare().listener(ship).build()?;
    /// assert_eq!(
    ///     context.graph(),
    ///     r#"flowchart LR
    ///   e0(["Paid"])
    ///   e1(["Shipped"])
    ///   l0["ship"]
    ///   e0 --> l0
    ///   l0 --> e1
    /// "#
    /// );
    /// # Ok::<(), sse_tower_core::WiringError>(())
    /// ```
    #[must_use]
    pub fn graph(&self) -> String {
        let (nodes, events) = (self.bus().nodes(), self.bus().events());
        let mut graph = Graph { text: "flowchart LR\n".to_owned(), events: HashMap::new() };
        let used = |event: &EventKey| {
            let hears = |id: TypeId| nodes.iter().any(|it| it.profile.event.id() == id);
            let published = nodes.iter().flat_map(|it| &it.publishes);
            hears(event.id())
                || published.into_iter().any(|it| it.id() == event.id())
                || event.description().is_some_and(|description| !description.optional)
                || event.supertypes().into_iter().any(hears)
        };
        for event in events.iter().filter(|it| used(it)) {
            graph.event(event);
        }
        for event in events.iter().filter(|it| used(it)) {
            for supertype in event.supertypes() {
                graph.edge(event.id(), "-.->", supertype);
            }
        }
        for (i, node) in nodes.iter().enumerate() {
            let listener = format!("l{i}");
            let mut label = escape(node.profile.label());
            if let Some(table) = &node.profile.timetable {
                label.push_str(&escape(&format!(", {table}")));
            }
            // What survives stands in a store.
            let durable = node.profile.durable.is_some();
            let (open, close) = if durable { ("[(", ")]") } else { ("[", "]") };
            graph.line(format_args!("{listener}{open}\"{label}\"{close}"));
            if let Some(event) = graph.events.get(&node.profile.event.id()).copied() {
                let arrow = if durable { "-- durable -->" } else { "-->" };
                graph.line(format_args!("e{event} {arrow} {listener}"));
            }
            let mut drawn = Vec::new();
            for published in &node.publishes {
                if let Some(event) = graph.events.get(&published.id()).copied()
                    && !drawn.contains(&event)
                {
                    drawn.push(event);
                    graph.line(format_args!("{listener} --> e{event}"));
                }
            }
        }
        if self.bus().is_linked() {
            self.endpoints(&mut graph);
        }
        graph.text
    }

    fn endpoints(&self, graph: &mut Graph) {
        let mut endpoints: Vec<&EndpointInfo> =
            inventory::iter::<EndpointInfo>.into_iter().collect();
        sort_by_key(&mut endpoints, |it| (it.path, it.method, it.module, it.function));
        for (i, endpoint) in endpoints.into_iter().enumerate() {
            let path = endpoint.path.unwrap_or(endpoint.function);
            graph.line(format_args!("p{i}[/\"{} {}\"/]", endpoint.method, escape(path)));
            let mut needs = EndpointNeeds::default();
            (endpoint.needs)(&mut needs);
            for (l, node) in self.bus().nodes().iter().enumerate() {
                let owner = node.profile.owner.map(|owner| (owner.type_id)());
                if owner.is_some_and(|owner| needs.0.iter().any(|it| (it.type_id)() == owner)) {
                    graph.line(format_args!("l{l} -.-> p{i}"));
                }
            }
        }
    }
}

struct Graph {
    text: String,
    events: HashMap<TypeId, usize>,
}

impl Graph {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "  {line}");
    }

    fn event(&mut self, event: &EventKey) {
        let number = self.events.len();
        self.events.insert(event.id(), number);
        let mut label = escape(&event.label());
        if let Some(version) = event.description().and_then(|it| it.version) {
            label.push_str(&format!(" v{version}"));
        }
        if event.description().is_some_and(|it| it.broadcast) {
            label.push_str(", to every node");
        }
        match event.description() {
            Some(_) => self.line(format_args!("e{number}([\"{label}\"])")),
            None => self.line(format_args!("e{number}{{{{\"{label}\"}}}}")),
        }
    }

    fn edge(&mut self, from: TypeId, arrow: &str, to: TypeId) {
        if let (Some(from), Some(to)) = (self.events.get(&from), self.events.get(&to)) {
            let line = format!("e{from} {arrow} e{to}");
            self.line(format_args!("{line}"));
        }
    }
}

/// What would end a quoted label, or be read as markup.
fn escape(label: &str) -> String {
    label.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
