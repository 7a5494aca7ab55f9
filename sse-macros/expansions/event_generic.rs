#[derive(ApplicationEvent)]
#[event(name = "changed", stored)]
struct Changed<T: Clone, const N: usize>
where
    T: PartialEq
{
    values: [T; N],
}
