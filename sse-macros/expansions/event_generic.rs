#[derive(ApplicationEvent)]
#[event(queue = "mail")]
struct Changed<T: Clone, const N: usize>
where
    T: PartialEq
{
    values: [T; N],
}
