impl Desk<u8> {
    const LIMIT: u64 = 100;
    fn new() -> Self {
        Self::default()
    }
    /// Tells who waits.
    #[sse_tower::event_listener(__read)]
    pub fn tell(&self, event: &Paid) {
        self.emitters.send(&event.id, "paid");
    }
    #[event_listener(__read)]
    async fn follow(&self, event: &Self::Event, this: Component<Self>) -> Vec<Followed> {
        self.find(event, this).await
    }
}
const _: () = {
    fn __bind(
        __binder: &mut ::sse_tower::__private::Binder<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::ErasedHandler> {
        let __a0 = __binder.inject::<&::sse_tower::__private::Component<Desk<u8>>>();
        __binder.returns::<()>();
        let __a0 = __a0?;
        let __prepared = ::sse_tower::__private::Handler::<
            Paid,
        >::by_ref(move |__event, __call| {
            __call.answer(<Desk<u8>>::tell(__a0.component(), __event))
        });
        let __prepared = __prepared
            .when(|event: &Paid| event.amount < <Desk<u8>>::LIMIT);
        ::core::option::Option::Some(__prepared.erase())
    }
    const __DECLARATION: ::sse_tower::__private::Declaration = ::sse_tower::__private::Declaration::new(
            ::core::concat!(::core::module_path!(), "::Desk<u8>::tell"),
            ::core::module_path!(),
            ::sse_tower::__private::here(),
            ::sse_tower::__private::EventRef::of::<Paid>(),
            __bind,
        )
        .owner(::sse_tower::__private::ComponentRef::of::<Desk<u8>>());
    ::sse_tower::__private::submit! {
        ::sse_tower::__private::LinkedListener::new(& __DECLARATION)
    }
};
const _: () = {
    fn __bind(
        __binder: &mut ::sse_tower::__private::Binder<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::ErasedHandler> {
        let __a0 = __binder.inject::<&::sse_tower::__private::Component<Desk<u8>>>();
        let __a1 = __binder.inject::<Component<Desk<u8>>>();
        __binder.returns::<Vec<Followed>>();
        let __args = ::std::sync::Arc::new((__a0?, __a1?));
        let __prepared = ::sse_tower::__private::Handler::<
            <Desk<u8>>::Event,
        >::lent(move |__event, __call| {
            let __args = ::std::sync::Arc::clone(&__args);
            ::std::boxed::Box::pin(async move {
                let __result = {
                    let __running = ::core::pin::pin!(
                        < Desk < u8 > > ::follow(__args.0.component(), & __event, __args
                        .1.give(& __call.call()))
                    );
                    ::sse_tower::__private::caught(__running).await
                };
                let __answer = __call.answer(::core::convert::identity(__result));
                (__event, __answer)
            })
        });
        ::core::option::Option::Some(__prepared.erase())
    }
    const __DECLARATION: ::sse_tower::__private::Declaration = ::sse_tower::__private::Declaration::new(
            ::core::concat!(::core::module_path!(), "::Desk<u8>::follow"),
            ::core::module_path!(),
            ::sse_tower::__private::here(),
            ::sse_tower::__private::EventRef::of::<<Desk<u8>>::Event>(),
            __bind,
        )
        .order(1i32)
        .owner(::sse_tower::__private::ComponentRef::of::<Desk<u8>>());
    ::sse_tower::__private::submit! {
        ::sse_tower::__private::LinkedListener::new(& __DECLARATION)
    }
};
